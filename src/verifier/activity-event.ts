import type { TokenBearer, VerifyErrorCode } from './verify-error.ts'

/** What a request says of itself. `method` and `route` are what reports are grouped by. */
export interface RequestFacts {
  readonly method: string
  /** A template, never the path itself: `/invoices/{id}` */
  readonly route: string
  /** The status it was answered with; without it, what the decision asks for. */
  readonly status?: number | undefined
  /** What was acted on. The broker keeps a hash of it, unless the resource says `record_objects: clear`. */
  readonly object?: string | undefined
  readonly bytesIn?: number | undefined
  readonly bytesOut?: number | undefined
  readonly durationMilliseconds?: number | undefined
  readonly clientAddress?: string | undefined
  readonly userAgent?: string | undefined
}

/** One decision, kept as it is until it is sent. */
export interface RecordedDecision {
  /** milliseconds since the epoch */
  readonly at: number
  readonly bearer: TokenBearer | undefined
  readonly scope: string | undefined
  /** Why it was denied; undefined when it was allowed. */
  readonly code: VerifyErrorCode | undefined
  /** The status that the decision asks for. */
  readonly status: number
  readonly request: RequestFacts | undefined
}

type WireEvent = { readonly [member: string]: string | number | undefined }

/** An event of CONTRACTS §6. Texts that come from outside are cut to what is reasonable to keep. */
export function toWireEvent(id: string, decision: RecordedDecision): WireEvent {
  const { bearer, request, code } = decision
  return {
    id,
    at: new Date(decision.at).toISOString(),
    grant_id: bearer?.grantId,
    subject: bearer?.subject,
    scope: decision.scope,
    // a decision that no request is known of, as in a queue's consumer
    method: cut(request?.method, 32) ?? 'VERIFY',
    route: cut(request?.route, 300) ?? '*',
    object: cut(request?.object, 300),
    outcome: code === undefined ? 'allowed' : 'denied',
    reason: code,
    status: count(request?.status) ?? decision.status,
    bytes_in: count(request?.bytesIn),
    bytes_out: count(request?.bytesOut),
    duration_ms: count(request?.durationMilliseconds),
    client_address: cut(request?.clientAddress, 64),
    user_agent: cut(request?.userAgent, 300),
  }
}

function cut(text: string | undefined, length: number): string | undefined {
  return typeof text === 'string' && text !== '' ? text.slice(0, length) : undefined
}

function count(value: number | undefined): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return undefined
  return Math.min(Math.round(value), Number.MAX_SAFE_INTEGER)
}
