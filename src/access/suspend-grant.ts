import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { operate } from '../operation.ts'
import { changeGrant } from './change-grant.ts'
import { checkedReason } from './end-reason.ts'
import { emitGrantEvent } from './grant-events.ts'
import { grantFacts, requireMove } from './grant-refusals.ts'
import { type GrantView, viewGrant } from './grant-view.ts'
import { liveTokensOf } from './live-tokens.ts'
import { lockGrantAs } from './lock-grant-as.ts'
import { startLockedGrant } from './start-locked-grant.ts'
import { timeOfEnding } from './time-of-ending.ts'
import { writeRevocations } from './write-revocation.ts'

/**
 * Stops an active grant for now, without moving its end. The tokens that exist are over, one by one; those
 * minted after it is resumed are new. Owners of the resource, admins, current reviewers of its policy, operators,
 * and jobs (a threshold that says `suspend`). Throws `grant_not_active` unless it is active, `grant_ended` when over.
 */
export async function suspendGrant(
  ctx: OperationContext,
  input: { readonly grantId: string; readonly reason: string },
): Promise<GrantView> {
  const reason = checkedReason(input.reason)
  return operate(ctx, 'suspend-grant', async (tx) => {
    const locked = await lockGrantAs(tx, ctx, input.grantId, 'canSuspend')
    const now = await timeOfEnding(tx, ctx)
    requireMove(locked, 'suspend', now)
    const grant = locked.state === 'scheduled' ? await startLockedGrant(tx, ctx, locked) : locked
    const suspended = await changeGrant(tx, grant, { state: 'suspended' })
    // never a `grant` revocation: nothing would lift it when the grant is resumed
    const tokens = await liveTokensOf(tx, grant.id, now)
    const { resource } = grant
    await writeRevocations(
      tx,
      ctx,
      tokens.map(({ jti, expiresAt }) => ({
        kind: 'token',
        target: jti,
        resource,
        forgetAt: expiresAt,
      })),
      now,
    )
    const facts = grantFacts(grant)
    const details = { reason, token_count: tokens.length }
    await appendEntry(tx, ctx, { action: 'suspend-grant', outcome: 'ok', ...facts, details })
    await emitGrantEvent(tx, ctx, 'grant.suspended', suspended, { reason })
    return viewGrant(tx.db, suspended, now)
  })
}
