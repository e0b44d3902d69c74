import type { OperationContext } from '../context.ts'
import { operate } from '../operation.ts'
import { endLockedGrant } from './end-locked-grant.ts'
import { type GrantView, viewGrant } from './grant-view.ts'
import { lockGrantAs } from './lock-grant-as.ts'
import { timeOfEnding } from './time-of-ending.ts'

/**
 * Gives a grant back before its time, with every token of it. Its holder alone. Throws `grant_ended` when it is
 * over already.
 */
export async function releaseGrant(
  ctx: OperationContext,
  input: { readonly grantId: string },
): Promise<GrantView> {
  return operate(ctx, 'release-grant', async (tx) => {
    const grant = await lockGrantAs(tx, ctx, input.grantId, 'isHolder')
    const now = await timeOfEnding(tx, ctx)
    const ending = { event: 'release', action: 'release-grant', reason: null } as const
    return viewGrant(tx.db, await endLockedGrant(tx, ctx, grant, ending, now), now)
  })
}
