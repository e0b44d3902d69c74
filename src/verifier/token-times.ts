import type { TokenClaims } from './claims.ts'

/** Clocks of replicas and services differ a little; the end of a token gets no such tolerance. */
const notBeforeToleranceMilliseconds = 5_000

/** `now` is milliseconds since the epoch. The later of `nbf` and `iat` counts. */
export function faultInTime(
  claims: Pick<TokenClaims, 'issuedAt' | 'notBefore' | 'expiresAt'>,
  now: number,
): 'token_expired' | 'token_not_yet_valid' | undefined {
  if (claims.expiresAt * 1000 <= now) return 'token_expired'
  const from = Math.max(claims.notBefore, claims.issuedAt) * 1000
  return from > now + notBeforeToleranceMilliseconds ? 'token_not_yet_valid' : undefined
}
