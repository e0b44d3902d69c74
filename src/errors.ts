/**
 * Every refusal has a stable code. Transports map codes to their own answers, exhaustively; nothing
 * branches on message text.
 */
export type ErrorCode =
  | 'unauthenticated'
  | 'not_eligible'
  | 'self_review'
  | 'not_reviewer'
  | 'not_holder'
  | 'not_permitted'
  | 'browser_required'
  | 'gateway_not_allowed'
  | 'not_found'
  | 'stale_version'
  | 'already_pending'
  | 'no_reviewer'
  | 'already_reviewed'
  | 'seat_filled'
  | 'request_closed'
  | 'grant_not_active'
  | 'grant_ended'
  | 'recently_revoked'
  | 'break_glass_unreviewed'
  | 'idempotency_in_progress'
  | 'secret_already_shown'
  | 'too_large'
  | 'unsupported_media_type'
  | 'invalid_input'
  | 'outside_policy'
  | 'wider_than_asked'
  | 'invalid_cursor'
  | 'idempotency_key_reused'
  | 'rate_limited'
  | 'cannot_decide'

/** Where in the input a fault is: `pointer` is an RFC 6901 JSON pointer. */
export interface InputFault {
  readonly pointer: string
  readonly message: string
}

/** Why a decision came out as it did; `code` is stable, `message` is for people. */
export interface Reason {
  readonly code: string
  readonly message: string
}

/** What the audit log is told about a refusal. Never a secret, never free text from the outside. */
export interface RefusalFacts {
  readonly subject?: string | undefined
  readonly resource?: string | undefined
  readonly requestId?: string | undefined
  readonly grantId?: string | undefined
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

export interface HallpassErrorOptions {
  readonly errors?: readonly InputFault[]
  readonly reasons?: readonly Reason[]
  readonly retryAfterSeconds?: number
  /** Public members added to the problem document, e.g. the id of the request that is pending already. */
  readonly extensions?: Readonly<Record<string, unknown>>
  /** Set when the refusal itself belongs in the audit log. */
  readonly refusal?: RefusalFacts
  readonly cause?: unknown
}

/** The one error that operations throw. `message` says what to do and holds no secret and no bound value. */
export class HallpassError extends Error {
  readonly code: ErrorCode
  readonly options: HallpassErrorOptions

  constructor(code: ErrorCode, message: string, options: HallpassErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HallpassError'
    this.code = code
    this.options = options
  }
}

/** What may be logged of any error: the message only where it is known to hold no secret and no bound value. */
export function loggable(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  if (error instanceof HallpassError) return `${error.code}: ${error.message}`
  if (error.name === 'DatabaseError') return error.message
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : ''
  return `${error.name}${code}`
}

/** Error codes of the OAuth endpoints: RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, RFC 8628 §3.5. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'access_denied'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'

/** Thrown by operations that answer an OAuth endpoint. `message` becomes `error_description`. */
export class OAuthError extends Error {
  readonly code: OAuthErrorCode
  readonly refusal: RefusalFacts | undefined

  constructor(code: OAuthErrorCode, message: string, refusal?: RefusalFacts) {
    super(message)
    this.name = 'OAuthError'
    this.code = code
    this.refusal = refusal
  }
}
