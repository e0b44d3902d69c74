import { and, asc, lte } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { operate } from '../operation.ts'
import { lapseRequest } from './lapse-request.ts'
import { isStoredPending, requestOf } from './load-request.ts'
import { requireJob } from './require-job.ts'
import { sweepBatchSize } from './sweep-grants.ts'

/**
 * Stores that pending requests whose time to answer has passed are expired, and tells it, a batch a transaction.
 * One that somebody else holds is left to the next sweep, so any number of replicas may sweep at once. Jobs and
 * operators.
 */
export async function expireRequests(
  ctx: OperationContext,
): Promise<{ readonly expiredCount: number }> {
  requireJob(ctx)
  const now = ctx.clock.now()
  let expiredCount = 0
  for (;;) {
    const swept = await operate(ctx, 'expire-requests', async (tx) => {
      const rows = await tx.db
        .select()
        .from(accessRequestTable)
        .where(and(isStoredPending, lte(accessRequestTable.answerBy, now)))
        .orderBy(asc(accessRequestTable.answerBy))
        .limit(sweepBatchSize)
        .for('update', { skipLocked: true })
      for (const row of rows) await lapseRequest(tx, ctx, requestOf(row), now)
      return rows.length
    })
    expiredCount += swept
    if (swept < sweepBatchSize) return { expiredCount }
  }
}
