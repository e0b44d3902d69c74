import { asc, type SQL, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { operate } from '../operation.ts'
import type { Grant } from './grant.ts'

/** How many grants one transaction takes. */
export const sweepBatchSize = 200

/** Written out, so that the planner sees the partial indexes' own condition. */
export const isStoredLive = sql`${accessGrantTable.state} in ('scheduled', 'active', 'suspended')`

/** Which grants a sweep is about, and which index leads to them. */
export interface SweptGrants {
  readonly condition: SQL
  readonly orderBy: typeof accessGrantTable.endsAt | typeof accessGrantTable.startsAt
}

/** The query for the grants to do next; the work follows how many there are, not how many exist. */
export function nextBatch(db: Queryable, { condition, orderBy }: SweptGrants) {
  return db
    .select()
    .from(accessGrantTable)
    .where(condition)
    .orderBy(asc(orderBy))
    .limit(sweepBatchSize)
    .for('update', { skipLocked: true })
}

/**
 * Goes through the grants that a condition selects, earliest first, a batch a transaction. A grant that somebody
 * else holds is left to the next sweep, so any number of replicas may sweep at once. `act` must make the
 * condition false for each. Returns how many there were.
 */
export async function sweepGrants(
  ctx: OperationContext,
  action: string,
  sweep: SweptGrants & {
    readonly act: (tx: Transaction, grants: readonly Grant[]) => Promise<unknown>
  },
): Promise<number> {
  let count = 0
  for (;;) {
    const swept = await operate(ctx, action, async (tx) => {
      const grants: readonly Grant[] = await nextBatch(tx.db, sweep)
      await sweep.act(tx, grants)
      return grants.length
    })
    count += swept
    if (swept < sweepBatchSize) return count
  }
}
