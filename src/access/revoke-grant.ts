import type { OperationContext } from '../context.ts'
import { operate } from '../operation.ts'
import { endLockedGrant } from './end-locked-grant.ts'
import { checkedReason } from './end-reason.ts'
import { type GrantView, viewGrant } from './grant-view.ts'
import { lockGrantAs } from './lock-grant-as.ts'
import { timeOfEnding } from './time-of-ending.ts'

/**
 * Takes a grant away at once, with every token of it. Owners of the resource, admins, current reviewers of its
 * policy, and operators. Throws `grant_ended` when it is over already.
 */
export async function revokeGrant(
  ctx: OperationContext,
  input: { readonly grantId: string; readonly reason: string },
): Promise<GrantView> {
  const reason = checkedReason(input.reason)
  return operate(ctx, 'revoke-grant', async (tx) => {
    const grant = await lockGrantAs(tx, ctx, input.grantId, 'canRevoke')
    const now = await timeOfEnding(tx, ctx)
    const ending = { event: 'revoke', action: 'revoke-grant', reason } as const
    return viewGrant(tx.db, await endLockedGrant(tx, ctx, grant, ending, now), now)
  })
}
