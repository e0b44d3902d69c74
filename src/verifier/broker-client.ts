import { basicOf, type Credential } from './credential.ts'

/** The broker answered, and not with what was asked for. Says nothing of the answer's text, which may be anything. */
export class BrokerRefusal extends Error {
  readonly status: number
  /** From `Retry-After`, when it was given in seconds. */
  readonly retryAfterSeconds: number | undefined

  constructor(path: string, response: Response) {
    super(`The broker answered ${path} with ${response.status}.`)
    this.name = 'BrokerRefusal'
    this.status = response.status
    const retryAfter = response.headers.get('retry-after')
    const seconds =
      retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined
    this.retryAfterSeconds = seconds
  }

  /** The credential is wrong, deleted, or another resource's. */
  get isCredentialRefused(): boolean {
    return this.status === 401 || this.status === 403
  }
}

export interface BrokerRequest {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** How the broker is reached. Redirects are faults: the credential goes to the address that was configured. */
export interface BrokerClient {
  /** The body of a 200 as text. Rejects with `BrokerRefusal` for any other answer, and after the time. */
  fetchText(
    path: string,
    request: BrokerRequest & { readonly timeoutMilliseconds: number },
  ): Promise<string>
  /** An answer of 200 whose body goes on; ends when `signal` aborts. */
  openStream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
}

const largestAnswerBytes = 16 * 1024 * 1024

export function createBrokerClient(
  baseUrl: string,
  credential: Credential | undefined,
): BrokerClient {
  const authorization = credential === undefined ? {} : { Authorization: basicOf(credential) }
  const send = async (path: string, request: BrokerRequest, signal: AbortSignal) => {
    const { method = 'GET', headers, body = null } = request
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: { ...authorization, ...headers },
      body,
      signal,
      redirect: 'error',
    })
    if (response.status === 200) return response
    await response.body?.cancel()
    throw new BrokerRefusal(path, response)
  }
  return {
    fetchText: async (path, request) => {
      const controller = new AbortController()
      const timer = setTimeout(() => controller.abort(), request.timeoutMilliseconds)
      try {
        return await readText(await send(path, request, controller.signal))
      } finally {
        clearTimeout(timer)
      }
    },
    openStream: async (path, signal) => {
      const headers = { Accept: 'text/event-stream', 'Cache-Control': 'no-store' }
      const response = await send(path, { headers }, signal)
      const type = response.headers.get('content-type') ?? ''
      if (response.body !== null && /^text\/event-stream\b/i.test(type)) return response.body
      await response.body?.cancel()
      throw new Error(`The broker answered ${path} with no event stream.`)
    },
  }
}

async function readText({ body }: Response): Promise<string> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > largestAnswerBytes) throw new RangeError('The broker sent more than it should.')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
