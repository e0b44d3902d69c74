import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { operate, requireTrustedClock } from '../operation.ts'
import { changeGrant } from './change-grant.ts'
import { checkedReason } from './end-reason.ts'
import { emitGrantEvent } from './grant-events.ts'
import { grantFacts, requireMove } from './grant-refusals.ts'
import { type GrantView, viewGrant } from './grant-view.ts'
import { lockGrantAs } from './lock-grant-as.ts'

/**
 * Lets a suspended grant go on, to the end it always had. Owners of the resource, admins and operators, never its
 * holder under any account. Throws `grant_not_active` unless it is suspended, `grant_ended` when it is over.
 */
export async function resumeGrant(
  ctx: OperationContext,
  input: { readonly grantId: string; readonly reason: string },
): Promise<GrantView> {
  const reason = checkedReason(input.reason)
  requireTrustedClock(ctx)
  return operate(ctx, 'resume-grant', async (tx) => {
    const grant = await lockGrantAs(tx, ctx, input.grantId, 'canResume')
    const now = ctx.clock.now()
    requireMove(grant, 'resume', now)
    const resumed = await changeGrant(tx, grant, { state: 'active' })
    const facts = grantFacts(grant)
    await appendEntry(tx, ctx, {
      action: 'resume-grant',
      outcome: 'ok',
      ...facts,
      details: { reason },
    })
    await emitGrantEvent(tx, ctx, 'grant.resumed', resumed, { reason })
    return viewGrant(tx.db, resumed, now)
  })
}
