/** Why a token was refused. Stable; nothing should branch on message text. */
export type VerifyErrorCode =
  | 'token_missing'
  | 'token_malformed'
  | 'signature_invalid'
  | 'wrong_type'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_revoked'
  | 'insufficient_scope'
  | 'proof_invalid'
  | 'cannot_decide'

/** Whom a genuine token speaks of. */
export interface TokenBearer {
  readonly subject: string
  readonly clientId: string
  readonly grantId: string
  readonly tokenId: string
}

export interface VerifyErrorOptions {
  /** HTTP status to answer with; 401 unless said. */
  readonly status?: number | undefined
  readonly wwwAuthenticate?: string | undefined
  readonly bearer?: TokenBearer | undefined
}

/** The only error that `verify()` rejects with, but for `TypeError` when it is called wrongly. */
export class VerifyError extends Error {
  readonly code: VerifyErrorCode
  /** 400, 401, 403 or 503 */
  readonly status: number
  /** Value of the `WWW-Authenticate` header (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3); none with 503. */
  readonly wwwAuthenticate: string | undefined
  /** Set when the token was signed by the broker, though it is refused. For the log; it authorises nothing. */
  readonly bearer: TokenBearer | undefined

  constructor(code: VerifyErrorCode, message: string, options: VerifyErrorOptions = {}) {
    super(message)
    this.name = 'VerifyError'
    this.code = code
    this.status = options.status ?? 401
    this.wwwAuthenticate = options.wwwAuthenticate
    this.bearer = options.bearer
  }
}
