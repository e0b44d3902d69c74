import { sql } from 'drizzle-orm'
import { appendEntries } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { endGrant, type Grant, type GrantEnding } from './grant.ts'
import { emitGrantEvents } from './grant-events.ts'
import { grantFacts, moveRefused } from './grant-refusals.ts'

/** How and why grants are ended. */
export interface Ending {
  readonly event: 'revoke' | 'release' | 'expire'
  /** The operation that ends them, for the audit log. */
  readonly action: string
  readonly reason: string | null
}

const events = {
  revoke: 'grant.revoked',
  release: 'grant.released',
  expire: 'grant.expired',
} as const

/**
 * Ends locked grants: rows, audit entries and events, each in one statement. Their tokens are the caller's to
 * take back. Throws `grant_ended` when one is over already, by its state or by its time.
 */
export async function storeEndings(
  tx: Transaction,
  ctx: OperationContext,
  grants: readonly Grant[],
  ending: Ending,
  now: Date,
): Promise<readonly Grant[]> {
  const { event, action, reason } = ending
  const ended = grants.map((grant) => ({
    ...grant,
    ...endingOf(ctx, grant, ending, now),
    version: grant.version + 1,
  }))
  await compareAndSet(tx, grants, ended)
  const details = reason === null ? {} : { reason }
  const entries = grants.map((grant) => ({
    action,
    outcome: 'ok' as const,
    ...grantFacts(grant),
    details,
  }))
  await appendEntries(tx, ctx, entries)
  await emitGrantEvents(tx, ctx, events[event], ended, details)
  return ended
}

function endingOf(
  ctx: OperationContext,
  grant: Grant,
  { event, reason }: Ending,
  now: Date,
): GrantEnding {
  const outcome = endGrant(grant, { event, by: ctx.actor.id, reason }, now)
  if (outcome === 'not_due') throw new Error('a grant expires at its end, not before')
  if (typeof outcome === 'string') throw moveRefused(outcome, grant, now)
  return outcome
}

/** Every row must still be as it was locked; one that is not means that the lock was not held. */
async function compareAndSet(
  tx: Transaction,
  before: readonly Grant[],
  after: readonly Grant[],
): Promise<void> {
  const rows = after.map((grant, index) => ({
    id: grant.id,
    was: before[index]?.state,
    version: before[index]?.version,
    state: grant.state,
    ended_at: grant.endedAt,
    ended_by: grant.endedBy,
    end_reason: grant.endReason,
  }))
  const { rowCount } = await tx.db.execute(sql`update access_grant as g
    set state = e.state, ended_at = e.ended_at, ended_by = e.ended_by, end_reason = e.end_reason,
      version = g.version + 1
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as e (id text, was text, version integer,
      state text, ended_at timestamptz, ended_by text, end_reason text)
    where g.id = e.id and g.state = e.was and g.version = e.version`)
  if (rowCount !== after.length) {
    throw new HallpassError('stale_version', 'The grant changed in the meantime. Read it again.')
  }
}
