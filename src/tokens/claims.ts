/** What a token is made from. */
export interface ClaimFacts {
  readonly issuer: string
  readonly jti: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly now: Date
  readonly grant: {
    readonly id: string
    readonly subject: string
    readonly audience: string
    readonly endsAt: Date
    readonly tokenLifetimeSeconds: number
  }
}

/** Claims of an access token (RFC 9068 §2.2; `grant_id` is ours). Times are whole seconds since the epoch. */
export interface AccessTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly aud: string
  readonly client_id: string
  /** space-separated, RFC 8693 §4.2 */
  readonly scope: string
  readonly iat: number
  readonly nbf: number
  readonly exp: number
  readonly jti: string
  readonly grant_id: string
}

/** A person's tokens carry this client. */
const personClientId = 'hallpass'

/** Who a token is issued to: a workload by its name, a person through Hallpass itself. */
export function clientIdOf(subject: string): string {
  const prefix = 'workload:'
  return subject.startsWith(prefix) ? subject.slice(prefix.length) : personClientId
}

/**
 * The claims of a new token; undefined in the last part of a second before the grant's end, where no `exp` in
 * whole seconds would do. Every instant is rounded down, so `exp` is never after the grant's end and `iat` never in the future.
 */
export function claimsOf(facts: ClaimFacts): AccessTokenClaims | undefined {
  const { grant, now } = facts
  const iat = wholeSeconds(now)
  const exp = Math.min(iat + grant.tokenLifetimeSeconds, wholeSeconds(grant.endsAt))
  if (exp * 1000 <= now.getTime()) return undefined
  return {
    iss: facts.issuer,
    sub: grant.subject,
    aud: grant.audience,
    client_id: facts.clientId,
    scope: facts.scopes.join(' '),
    iat,
    nbf: iat,
    exp,
    jti: facts.jti,
    grant_id: grant.id,
  }
}

/** The scopes of a `scope` parameter or claim (RFC 6749 §3.3), without repetitions. */
export function scopesOf(scope: string): readonly string[] {
  return [...new Set(scope.split(' ').filter((name) => name !== ''))]
}

function wholeSeconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1000)
}
