import type { TokenClaims } from './claims.ts'
import type { AuthenticationDemand } from './verifier.ts'

/** Whether every scope that is asked for is held. `asked` is a scope string (RFC 6749 §3.3). */
export function holdsScope(held: readonly string[], asked: string): boolean {
  if (!asked.includes(' ')) return held.includes(asked)
  return asked.split(' ').every((scope) => held.includes(scope))
}

/** Whether the person signed in as is asked for; a token that does not tell has not. `now` is ms since the epoch. */
export function meetsAuthentication(
  claims: Pick<TokenClaims, 'authenticationClass' | 'authenticatedAt'>,
  { acrValues, maxAgeSeconds }: AuthenticationDemand,
  now: number,
): boolean {
  const { authenticationClass, authenticatedAt } = claims
  if (acrValues !== undefined) {
    if (authenticationClass === undefined || !acrValues.includes(authenticationClass)) return false
  }
  if (maxAgeSeconds === undefined) return true
  return authenticatedAt !== undefined && now - authenticatedAt * 1000 <= maxAgeSeconds * 1000
}
