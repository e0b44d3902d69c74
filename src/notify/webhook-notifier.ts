import { Webhook } from 'standardwebhooks'
import type { Clock } from '../context.ts'
import { isTransactionOpen } from '../database/index.ts'
import { DeliveryFailure, type Notifier, type OutboxEvent } from './notifier.ts'

/** An answer says nothing beyond its status: so much is read to reuse the connection, then it is cut. */
const maxAnswerBytes = 16 * 1024
const defaultTimeoutSeconds = 10

export interface WebhookSettings {
  readonly url: string
  /** `whsec_` and base64. */
  readonly secret: string
  readonly clock: Pick<Clock, 'now'>
  readonly timeoutSeconds?: number
}

/**
 * Posts each event as `{type, timestamp, data}`, signed as Standard Webhooks asks: headers `webhook-id`
 * (the same at every attempt), `webhook-timestamp`, `webhook-signature`. Only a 2xx counts as arrived;
 * redirects are not followed. Throws when the secret cannot be used.
 */
export function createWebhookNotifier(settings: WebhookSettings): Notifier {
  const signer = createSigner(settings.secret)
  return {
    name: 'webhook',
    deliver: async (event, signal) => {
      if (isTransactionOpen()) throw new Error('a webhook must not be sent inside a transaction')
      const at = settings.clock.now()
      const body = bodyOf(event)
      const response = await post(settings, signal, body, {
        'content-type': 'application/json',
        'user-agent': 'hallpass',
        'webhook-id': event.id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': signer.sign(event.id, at, body),
      })
      await drain(response)
      if (!response.ok) throw refused(response)
    },
  }
}

function createSigner(secret: string): Webhook {
  try {
    return new Webhook(secret)
  } catch {
    // the library's own message may repeat the secret
    throw new Error('the webhook secret is not usable: expected whsec_ followed by base64')
  }
}

function bodyOf({ type, createdAt, data }: OutboxEvent): string {
  return JSON.stringify({ type, timestamp: createdAt.toISOString(), data })
}

async function post(
  { url, timeoutSeconds = defaultTimeoutSeconds }: WebhookSettings,
  signal: AbortSignal,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000)
  try {
    return await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers,
      body,
      signal: AbortSignal.any([signal, timeout]),
    })
  } catch (error) {
    if (timeout.aborted) throw new DeliveryFailure(`no answer within ${timeoutSeconds} s`)
    throw new DeliveryFailure(`the receiver cannot be reached${codeOf(error)}`)
  }
}

/** The system's code alone: messages of fetch can hold the URL, and that may hold a secret. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error && 'code' in cause && typeof cause.code === 'string')) return ''
  return ` (${cause.code})`
}

async function drain(response: Response): Promise<void> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (let size = 0; size <= maxAnswerBytes; ) {
      const { done, value } = await reader.read()
      if (done) return
      size += value.byteLength
    }
    await reader.cancel()
  } catch {
    // the status has arrived, and that is all that counts
  }
}

function refused(response: Response): DeliveryFailure {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new DeliveryFailure(`the receiver answered ${response.status}`, {
    retryAfterSeconds: Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
  })
}
