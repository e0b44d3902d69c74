import { eq, sql } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import { outboxDeliveryTable, outboxNotifierTable } from '../database/schema/notify.ts'

/** What one notifier is still owed. */
interface NotifierStatus {
  readonly notifier: string
  readonly waitingCount: number
  /** Of those waiting: tried at least once in vain. */
  readonly failingCount: number
  /** Given up; kept until an operator has them delivered again. */
  readonly undeliverableCount: number
  /** Age of the oldest that waits; null when none does. */
  readonly oldestWaitingSeconds: number | null
}

/** The whole outbox: the sums, and each notifier that was ever registered or is owed something. */
export interface OutboxStatus extends Omit<NotifierStatus, 'notifier'> {
  readonly notifiers: readonly NotifierStatus[]
}

const delivery = outboxDeliveryTable

/** Counts what is not delivered. Reads partial indexes, so that its work follows the backlog, not the history. */
export async function outboxStatus(db: Queryable): Promise<OutboxStatus> {
  const waiting = await db
    .select({
      notifier: delivery.notifier,
      waitingCount: sql<number>`count(*)::int`,
      failingCount: sql<number>`(count(*) filter (where ${delivery.lastError} is not null))::int`,
      oldestWaitingSeconds: sql<number>`greatest(0, extract(epoch from
        clock_timestamp() - min(${delivery.createdAt})))::float8`,
    })
    .from(delivery)
    .where(eq(delivery.state, 'waiting'))
    .groupBy(delivery.notifier)
  const undeliverable = await db
    .select({ notifier: delivery.notifier, undeliverableCount: sql<number>`count(*)::int` })
    .from(delivery)
    .where(eq(delivery.state, 'undeliverable'))
    .groupBy(delivery.notifier)
  const known = await db.select({ notifier: outboxNotifierTable.name }).from(outboxNotifierTable)

  const names = [...new Set([...known, ...waiting, ...undeliverable].map((row) => row.notifier))]
  return summed(
    names.sort().map((notifier) => ({
      waitingCount: 0,
      failingCount: 0,
      undeliverableCount: 0,
      oldestWaitingSeconds: null,
      ...waiting.find((row) => row.notifier === notifier),
      ...undeliverable.find((row) => row.notifier === notifier),
      notifier,
    })),
  )
}

function summed(notifiers: readonly NotifierStatus[]): OutboxStatus {
  const sum = (count: (status: NotifierStatus) => number) =>
    notifiers.reduce((total, status) => total + count(status), 0)
  const ages = notifiers.flatMap(({ oldestWaitingSeconds: age }) => (age === null ? [] : [age]))
  return {
    waitingCount: sum((status) => status.waitingCount),
    failingCount: sum((status) => status.failingCount),
    undeliverableCount: sum((status) => status.undeliverableCount),
    oldestWaitingSeconds: ages.length === 0 ? null : Math.max(...ages),
    notifiers,
  }
}
