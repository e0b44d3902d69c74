import { and, eq, sql } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { outboxDeliveryTable } from '../database/schema/notify.ts'
import { operate } from '../operation.ts'
import { requireMaintainer } from './require-maintainer.ts'

/**
 * Gives what was undeliverable to one notifier another full round of attempts. Such an event may arrive
 * after later ones of its key: those did not wait for it once it was given up.
 */
export async function redeliverEvents(
  ctx: OperationContext,
  { notifier }: { readonly notifier: string },
): Promise<{ redeliveredCount: number }> {
  return operate(ctx, 'redeliver-events', async (tx) => {
    requireMaintainer(ctx)
    const moved = await tx.db
      .update(outboxDeliveryTable)
      .set({
        state: 'waiting',
        settledAt: null,
        attemptCount: 0,
        dueAt: sql`clock_timestamp()`,
      })
      .where(
        and(
          eq(outboxDeliveryTable.notifier, notifier),
          eq(outboxDeliveryTable.state, 'undeliverable'),
        ),
      )
    const redeliveredCount = moved.rowCount ?? 0
    await appendEntry(tx, ctx, {
      action: 'redeliver-events',
      outcome: 'ok',
      details: { notifier, count: redeliveredCount },
    })
    tx.afterCommit(ctx.wakeOutbox)
    return { redeliveredCount }
  })
}
