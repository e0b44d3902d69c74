import { isActive } from '../access/index.ts'
import type { Services } from '../context.ts'
import { isSignerTrusted } from './signing-key.ts'
import { type TokenFacts, type TokenStanding, tokenFacts } from './token-facts.ts'
import { type VerifiedToken, verifiedBefore, verifyToken } from './verify-token.ts'

/** A genuine token that is on record just as it says of itself. What a jti was recorded with never changes. */
export interface KnownToken extends VerifiedToken {
  readonly resource: string
}

const known = new WeakMap<VerifiedToken, KnownToken>()

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
  const { jti } = verified.claims
  const facts = await ctx.database.read((db) => tokenFacts(db, jti, ctx.clock.now()))
  if (facts === undefined || !isAsRecorded(verified, facts)) return undefined
  const recorded = { ...verified, resource: facts.resource }
  known.set(verified, recorded)
  return isInForce(recorded, facts, resource, ctx.clock.now()) ? verified : undefined
}

/** A token that this replica checked before and that has not expired: only its standing is left to ask. */
export function knownToken(
  ctx: Pick<Services, 'clock' | 'database'>,
  token: string,
): KnownToken | undefined {
  const verified = verifiedBefore(ctx, token)
  return verified === undefined ? undefined : known.get(verified)
}

/** Whether a token on record counts on this resource. */
export function isInForce(
  token: KnownToken,
  standing: TokenStanding | undefined,
  resource: string,
  now: Date,
): boolean {
  if (standing === undefined || standing.isRevoked || standing.isDisabled) return false
  return (
    token.resource === resource &&
    token.claims.exp * 1000 > now.getTime() &&
    isSignerTrusted(standing.keyState) &&
    isActive(standing.grant, now)
  )
}

/** A forger with a stolen key would have to know the whole record, not only a jti. */
function isAsRecorded({ kid, claims }: VerifiedToken, facts: TokenFacts): boolean {
  return (
    kid === facts.kid &&
    claims.grant_id === facts.grantId &&
    claims.aud === facts.audience &&
    claims.sub === facts.subject &&
    claims.client_id === facts.clientId &&
    claims.scope === facts.scopes.join(' ') &&
    claims.exp * 1000 === facts.expiresAt.getTime()
  )
}
