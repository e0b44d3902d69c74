import { appendEntry } from '../audit/index.ts'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { authorizationCodeTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'
import { type AuthorizationRequest, clientTitle } from './authorization-request.ts'
import { lockSubject } from './lock-subject.ts'
import { hashSecret } from './secret.ts'
import { actorFacts } from './subject-facts.ts'

/** A code is redeemed at once by a program that waits for it. */
const codeLifetimeSeconds = 60

/** Makes the one-use code that a person, in their browser, agreed to give to a client. */
export async function issueAuthorizationCode(
  ctx: OperationContext,
  request: AuthorizationRequest,
): Promise<string> {
  return operate(ctx, 'issue-authorization-code', async (tx) => {
    const subject = await actorFacts(tx.db, ctx)
    const catalog = await catalogInForce(tx.db)
    if (ctx.actor.via !== 'browser' || clientTitle(catalog, request.clientId) === undefined) {
      throw new HallpassError('not_permitted', 'A person must agree to this in the browser.', {
        refusal: { subject: subject.id },
      })
    }
    const { isDisabled } = await lockSubject(tx, subject.id, 'share')
    if (isDisabled) throw new HallpassError('not_permitted', 'This subject is disabled.')
    const now = ctx.clock.now()
    const code = `hpc_${ctx.ids.secret()}`
    await tx.db.insert(authorizationCodeTable).values({
      codeHash: hashSecret(code),
      clientId: request.clientId,
      redirectUri: request.redirectUri,
      codeChallenge: request.codeChallenge,
      subject: subject.id,
      authenticatedBy: `browser:${ctx.actor.sessionId ?? 'none'}`,
      createdAt: now,
      expiresAt: new Date(now.getTime() + codeLifetimeSeconds * 1000),
    })
    await appendEntry(tx, ctx, {
      action: 'issue-authorization-code',
      outcome: 'ok',
      subject: subject.id,
      details: { client_id: request.clientId },
    })
    return code
  })
}
