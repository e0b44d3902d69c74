import { eq } from 'drizzle-orm'
import { writeRevocation } from '../access/index.ts'
import { appendEntry } from '../audit/index.ts'
import type { Actor, OperationContext } from '../context.ts'
import { issuedTokenTable } from '../database/schema/grants.ts'
import { HallpassError, OAuthError } from '../errors.ts'
import { authenticateSession, endSession } from '../identity/index.ts'
import { operate } from '../operation.ts'
import { tokenFacts } from './token-facts.ts'
import { verifyToken } from './verify-token.ts'

/**
 * Takes back a token for its own client or its subject (RFC 7009): an access token is refused from now on, a
 * session token of the actor ends. A token that is unknown, over or no token of ours is a success. Throws
 * `invalid_grant`, audited, for somebody else's, `invalid_client` for nobody.
 */
export async function revokeToken(
  ctx: OperationContext,
  input: { readonly token: string },
): Promise<void> {
  if (ctx.actor.kind !== 'person' && ctx.actor.kind !== 'workload') {
    throw new OAuthError(
      'invalid_client',
      'Authenticate as the client or the subject of the token.',
    )
  }
  if (input.token.startsWith('hps_')) return revokeSession(ctx, input.token)
  const verified = await verifyToken(ctx, input.token)
  if (verified === undefined) return
  const { jti } = verified.claims
  await operate(ctx, 'revoke-token', async (tx) => {
    const [token] = await tx.db.select().from(issuedTokenTable).where(eq(issuedTokenTable.jti, jti))
    if (token === undefined) return
    const facts = { subject: token.subject, resource: token.resource, grantId: token.grantId }
    if (!isOwn(ctx.actor, token)) throw foreign(facts)
    const now = ctx.clock.now()
    if (token.expiresAt.getTime() <= now.getTime()) return
    if ((await tokenFacts(tx.db, jti, now))?.isRevoked === true) return
    await writeRevocation(tx, ctx, {
      kind: 'token',
      target: jti,
      resource: token.resource,
      forgetAt: token.expiresAt,
    })
    await appendEntry(tx, ctx, {
      action: 'revoke-token',
      outcome: 'ok',
      ...facts,
      details: { jti },
    })
  })
}

async function revokeSession(ctx: OperationContext, token: string): Promise<void> {
  const bearer = await authenticateSession(ctx, token).catch((error: unknown) => {
    if (error instanceof HallpassError && error.code === 'unauthenticated') return undefined
    throw error
  })
  if (bearer?.sessionId === undefined) return
  if (bearer.id !== ctx.actor.id) {
    return operate(ctx, 'revoke-token', async () => {
      throw foreign({ subject: bearer.id })
    })
  }
  await endSession(ctx, bearer.sessionId).catch((error: unknown) => {
    // ended by another call in between
    if (!(error instanceof HallpassError && error.code === 'not_found')) throw error
  })
}

function isOwn(
  actor: Actor,
  token: { readonly subject: string; readonly clientId: string },
): boolean {
  return actor.id === token.subject || actor.id === `workload:${token.clientId}`
}

function foreign(facts: { readonly subject: string }): OAuthError {
  return new OAuthError('invalid_grant', 'This token was issued to another client.', facts)
}
