import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { changeGrant } from './change-grant.ts'
import { endGrant, type Grant } from './grant.ts'
import { emitGrantEvent } from './grant-events.ts'
import { grantFacts, moveRefused } from './grant-refusals.ts'

/** How and why a grant is ended. */
export interface Ending {
  readonly event: 'revoke' | 'release' | 'expire'
  /** The operation that ends it, for the audit log. */
  readonly action: string
  readonly reason: string | null
}

const events = {
  revoke: 'grant.revoked',
  release: 'grant.released',
  expire: 'grant.expired',
} as const

/**
 * Ends a locked grant: row, audit entry, event. Its tokens are the caller's to take back. Throws `grant_ended`
 * when it is over already, by its state or by its time.
 */
export async function storeEnding(
  tx: Transaction,
  ctx: OperationContext,
  grant: Grant,
  { event, action, reason }: Ending,
  now: Date,
): Promise<Grant> {
  const outcome = endGrant(grant, { event, by: ctx.actor.id, reason }, now)
  if (outcome === 'not_due') throw new Error('a grant expires at its end, not before')
  if (typeof outcome === 'string') throw moveRefused(outcome, grant, now)
  const ended = await changeGrant(tx, grant, outcome)
  const details = reason === null ? {} : { reason }
  await appendEntry(tx, ctx, { action, outcome: 'ok', ...grantFacts(grant), details })
  await emitGrantEvent(tx, ctx, events[event], ended, details)
  return ended
}
