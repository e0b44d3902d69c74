import { sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'

/**
 * The time that an ending is judged by. Taking access away must work on every replica: one whose own clock is
 * off goes by the database's, or a clock that runs ahead would call a live grant over and its tokens expired.
 */
export async function timeOfEnding(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock' | 'clockMonitor'>,
): Promise<Date> {
  if (ctx.clockMonitor.isTrusted()) return ctx.clock.now()
  const { rows } = await tx.db.execute<{ now: string }>(sql`select clock_timestamp() as now`)
  const row = rows[0]
  if (row === undefined) throw new Error('the database did not tell its time')
  return new Date(row.now)
}
