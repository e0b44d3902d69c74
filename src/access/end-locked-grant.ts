import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { changeGrant } from './change-grant.ts'
import { endGrant, type Grant } from './grant.ts'
import { emitGrantEvent } from './grant-events.ts'
import { moveRefused } from './grant-refusals.ts'
import { latestExpiry } from './live-tokens.ts'
import { writeRevocation } from './write-revocation.ts'

/**
 * Ends a grant whose row the caller locked, and takes back its tokens if any still live. The right to do so is
 * the caller's to check. Throws `grant_ended` when it is over already, by its state or by its time.
 */
export async function endLockedGrant(
  tx: Transaction,
  ctx: OperationContext,
  grant: Grant,
  ending: {
    readonly event: 'revoke' | 'release'
    /** The operation that ends it, for the audit log. */
    readonly action: string
    readonly reason: string | null
  },
  now: Date,
): Promise<Grant> {
  const outcome = endGrant(grant, { ...ending, by: ctx.actor.id }, now)
  if (outcome === 'not_due') throw new Error('only expiry waits to be due')
  if (typeof outcome === 'string') throw moveRefused(outcome, grant, now)
  const ended = await changeGrant(tx, grant, outcome)
  const { id, resource, subject, requestId } = grant
  const forgetAt = await latestExpiry(tx, { kind: 'grant', target: id }, now)
  if (forgetAt !== null) {
    await writeRevocation(tx, ctx, { kind: 'grant', target: id, resource, forgetAt }, now)
  }
  const reason = ending.reason === null ? {} : { reason: ending.reason }
  await appendEntry(tx, ctx, {
    action: ending.action,
    outcome: 'ok',
    subject,
    resource,
    requestId,
    grantId: id,
    details: reason,
  })
  const told = ending.event === 'revoke' ? 'grant.revoked' : 'grant.released'
  await emitGrantEvent(tx, ctx, told, ended, reason)
  return ended
}
