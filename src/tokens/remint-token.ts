import { eq } from 'drizzle-orm'
import { requireMove } from '../access/index.ts'
import type { OperationContext } from '../context.ts'
import { accessGrantTable, issuedTokenTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import { requireTrustedClock } from '../operation.ts'
import type { AccessTokenClaims } from './claims.ts'
import { storedKey } from './key-store.ts'
import { type MintedToken, signedAnswer } from './mint-token.ts'
import { signerOf } from './signer.ts'
import { tokenFacts } from './token-facts.ts'

/**
 * Answers a repeated mint: signs the same claims again (same `jti`, `exp`) while the grant is active. Throws
 * `not_found` unless the actor holds the token, `grant_not_active` or `grant_ended` when the grant, the token or
 * the key it was signed with is over.
 */
export async function remintToken(ctx: OperationContext, jti: string): Promise<MintedToken> {
  requireTrustedClock(ctx)
  const now = ctx.clock.now()
  return ctx.database.read(async (db) => {
    const [row] = await db
      .select({ token: issuedTokenTable, grant: accessGrantTable })
      .from(issuedTokenTable)
      .innerJoin(accessGrantTable, eq(accessGrantTable.id, issuedTokenTable.grantId))
      .where(eq(issuedTokenTable.jti, jti))
    if (row === undefined || row.token.subject !== ctx.actor.id) {
      throw new HallpassError('not_found', 'This token is not known any more. Mint a new one.')
    }
    const { token, grant } = row
    requireMove(grant, 'mint', now)
    const facts = await tokenFacts(db, jti, now)
    const key = await storedKey(db, token.kid)
    if (key?.privateSealed == null || facts === undefined || facts.isRevoked || facts.isDisabled) {
      throw new HallpassError(
        'grant_not_active',
        'The token of that call was taken back. Mint a new one, with a new Idempotency-Key.',
      )
    }
    const claims: AccessTokenClaims = {
      iss: ctx.issuer,
      sub: token.subject,
      aud: grant.audience,
      client_id: token.clientId,
      scope: token.scopes.join(' '),
      iat: token.issuedAt.getTime() / 1000,
      nbf: token.issuedAt.getTime() / 1000,
      exp: token.expiresAt.getTime() / 1000,
      jti,
      grant_id: grant.id,
    }
    const signer = await signerOf(db, ctx, token.kid)
    return signedAnswer(signer, { claims, kid: token.kid, grantEndsAt: grant.endsAt }, now)
  })
}
