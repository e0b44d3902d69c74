import { isActive } from '../access/index.ts'
import type { Services } from '../context.ts'
import { isSignerTrusted } from './signing-key.ts'
import { currentTokenFacts, type TokenFacts } from './token-facts.ts'
import { type VerifiedToken, verifyToken } from './verify-token.ts'

/**
 * Checks a token against all that the database knows, for one resource: undefined unless the token is genuine,
 * was minted for this resource, and token, key, grant, subject and resource are all in force at this moment.
 */
export async function checkToken(
  ctx: Pick<Services, 'clock' | 'database' | 'issuer'>,
  token: string,
  resource: string,
): Promise<VerifiedToken | undefined> {
  const verified = await verifyToken(ctx, token)
  if (verified === undefined) return undefined
  const facts = await currentTokenFacts(ctx, verified.claims.jti)
  const now = ctx.clock.now()
  if (facts === undefined || facts.resource !== resource || facts.isRevoked) return undefined
  const isInForce =
    facts.expiresAt.getTime() > now.getTime() &&
    isSignerTrusted(facts.keyState) &&
    !facts.isDisabled &&
    isActive(facts.grant, now)
  return isInForce && isAsRecorded(verified, facts) ? verified : undefined
}

/** A forger with a stolen key would have to know the whole record, not only a jti. */
function isAsRecorded({ kid, claims }: VerifiedToken, facts: TokenFacts): boolean {
  return (
    kid === facts.kid &&
    claims.grant_id === facts.grant.id &&
    claims.aud === facts.grant.audience &&
    claims.sub === facts.subject &&
    claims.client_id === facts.clientId &&
    claims.scope === facts.scopes.join(' ') &&
    claims.exp * 1000 === facts.expiresAt.getTime()
  )
}
