import { asc, type SQL, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { operate } from '../operation.ts'
import type { Grant } from './grant.ts'

/** How many grants one transaction takes. */
export const sweepBatchSize = 200

/** Written out, so that the planner sees the partial indexes' own condition. */
export const isStoredLive = sql`${accessGrantTable.state} in ('scheduled', 'active', 'suspended')`

/**
 * Goes through the grants that a condition selects, earliest first, a batch a transaction. A grant that somebody
 * else holds is left to the next sweep, so any number of replicas may sweep at once. `act` must make the
 * condition false for each. Returns how many there were.
 */
export async function sweepGrants(
  ctx: OperationContext,
  action: string,
  sweep: {
    readonly condition: SQL
    readonly orderBy: typeof accessGrantTable.endsAt | typeof accessGrantTable.startsAt
    readonly act: (tx: Transaction, grant: Grant) => Promise<unknown>
  },
): Promise<number> {
  let count = 0
  for (;;) {
    const swept = await operate(ctx, action, async (tx) => {
      const grants: readonly Grant[] = await tx.db
        .select()
        .from(accessGrantTable)
        .where(sweep.condition)
        .orderBy(asc(sweep.orderBy))
        .limit(sweepBatchSize)
        .for('update', { skipLocked: true })
      for (const grant of grants) await sweep.act(tx, grant)
      return grants.length
    })
    count += swept
    if (swept < sweepBatchSize) return count
  }
}
