import { and, asc, eq, inArray, lt, ne, notExists, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import {
  outboxDeliveryTable,
  outboxEventTable,
  outboxNotifierTable,
} from '../database/schema/notify.ts'
import { requireMaintainer } from './require-maintainer.ts'

const retentionMilliseconds = 7 * 24 * 60 * 60 * 1000
const batchSize = 1000
const delivery = outboxDeliveryTable
const event = outboxEventTable

/**
 * Forgets events older than 7 days that every notifier has received. What waits or is undeliverable stays,
 * however old. What is owed to a notifier that no replica has run for 7 days becomes undeliverable.
 */
export async function forgetEvents(
  ctx: OperationContext,
): Promise<{ forgottenCount: number; abandonedCount: number }> {
  requireMaintainer(ctx)
  const abandonedCount = await abandonNotifiers(ctx)
  const before = new Date(ctx.clock.now().getTime() - retentionMilliseconds)
  let forgottenCount = 0
  for (;;) {
    const count = await ctx.database.transaction(({ db }) => forgetBatch(db, before))
    forgottenCount += count
    if (count < batchSize) return { forgottenCount, abandonedCount }
  }
}

async function forgetBatch(db: Queryable, before: Date): Promise<number> {
  const owed = db
    .select({ sequence: delivery.sequence })
    .from(delivery)
    .where(and(eq(delivery.sequence, event.sequence), ne(delivery.state, 'delivered')))
  const old = await db
    .select({ id: event.id })
    .from(event)
    .where(and(lt(event.createdAt, before), notExists(owed)))
    .orderBy(asc(event.createdAt))
    .limit(batchSize)
    .for('update', { skipLocked: true })
  if (old.length === 0) return 0
  await db.delete(event).where(
    inArray(
      event.id,
      old.map(({ id }) => id),
    ),
  )
  return old.length
}

async function abandonNotifiers(ctx: OperationContext): Promise<number> {
  const count = await ctx.database.transaction(async ({ db }) => {
    await db
      .delete(outboxNotifierTable)
      .where(lt(outboxNotifierTable.seenAt, sql`clock_timestamp() - interval '7 days'`))
    const registered = db
      .select({ name: outboxNotifierTable.name })
      .from(outboxNotifierTable)
      .where(eq(outboxNotifierTable.name, delivery.notifier))
    const abandoned = await db
      .update(delivery)
      .set({
        state: 'undeliverable',
        heldBy: null,
        settledAt: sql`clock_timestamp()`,
        lastError: 'no replica has run this notifier for 7 days',
      })
      .where(and(eq(delivery.state, 'waiting'), notExists(registered)))
    return abandoned.rowCount ?? 0
  })
  if (count > 0) ctx.log.error({ count }, 'events of a notifier that nobody runs are undeliverable')
  return count
}
