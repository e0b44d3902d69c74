import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { outboxDeliveryTable, outboxEventTable } from '../database/schema/notify.ts'
import type { EventType } from './emit-event.ts'
import type { OutboxEvent } from './notifier.ts'
import { selectDeliveries } from './select-deliveries.ts'

/** An event that this replica holds for one notifier, until its lease ends. */
export interface ClaimedDelivery {
  readonly notifier: string
  readonly sequence: number
  /** Which attempt this is; also tells the holder's claim from any later one. */
  readonly attemptCount: number
  readonly event: OutboxEvent
}

export interface ClaimOptions {
  readonly notifier: string
  readonly replica: string
  readonly free: number
  readonly leaseSeconds: number
}

const candidateLimit = 100
const delivery = outboxDeliveryTable

/**
 * An instant further ahead than any delay means that the database's clock was set back: due as well.
 * statement_timestamp() and not clock_timestamp(): only a stable function can use the index.
 */
const isDue = sql`(${delivery.dueAt} <= statement_timestamp()
  or ${delivery.dueAt} > statement_timestamp() + interval '13 minutes')`

/**
 * Takes at most `free` deliveries, heads of their order key only. Any number of replicas may ask at once.
 * `isMore` says that the look was cut short and another is worth while.
 */
export async function claimDeliveries(
  services: Pick<Services, 'database'>,
  options: ClaimOptions,
): Promise<{ claimed: readonly ClaimedDelivery[]; isMore: boolean }> {
  const isAnyDue = await services.database.read((db) => anyDue(db, options.notifier))
  if (!isAnyDue) return { claimed: [], isMore: false }
  return services.database.transaction(async ({ db }) => {
    const candidates = await lockCandidates(db, options.notifier)
    // a statement of its own: its snapshot is newer than the locks, so a head settled meanwhile is seen
    const heads = await headsOf(
      db,
      options.notifier,
      candidates.map(({ orderKey }) => orderKey),
    )
    const { take, defer } = selectDeliveries(candidates, heads, options.free)
    await deferBlocked(db, options.notifier, defer)
    const claimed = await lease(db, options, take)
    return {
      claimed,
      isMore: candidates.length === candidateLimit && claimed.length < options.free,
    }
  })
}

/** Spares the transaction on an idle outbox: one probe of a partial index. */
async function anyDue(db: Queryable, notifier: string): Promise<boolean> {
  const rows = await db
    .select({ sequence: delivery.sequence })
    .from(delivery)
    .where(and(eq(delivery.notifier, notifier), eq(delivery.state, 'waiting'), isDue))
    .limit(1)
  return rows.length > 0
}

function lockCandidates(db: Queryable, notifier: string) {
  return db
    .select({ sequence: delivery.sequence, orderKey: delivery.orderKey })
    .from(delivery)
    .where(and(eq(delivery.notifier, notifier), eq(delivery.state, 'waiting'), isDue))
    .orderBy(asc(delivery.dueAt), asc(delivery.sequence))
    .limit(candidateLimit)
    .for('update', { skipLocked: true })
}

async function headsOf(db: Queryable, notifier: string, orderKeys: readonly string[]) {
  if (orderKeys.length === 0) return []
  return db
    .selectDistinctOn([delivery.orderKey], {
      orderKey: delivery.orderKey,
      sequence: delivery.sequence,
    })
    .from(delivery)
    .where(
      and(
        eq(delivery.notifier, notifier),
        eq(delivery.state, 'waiting'),
        inArray(delivery.orderKey, [...new Set(orderKeys)]),
      ),
    )
    .orderBy(asc(delivery.orderKey), asc(delivery.sequence))
}

/** Settling the head makes the next one due again; until then nobody needs to look at those behind it. */
async function deferBlocked(db: Queryable, notifier: string, sequences: readonly number[]) {
  if (sequences.length === 0) return
  await db
    .update(delivery)
    .set({ dueAt: sql`clock_timestamp() + interval '5 minutes'` })
    .where(and(eq(delivery.notifier, notifier), inArray(delivery.sequence, [...sequences])))
}

async function lease(
  db: Queryable,
  { notifier, replica, leaseSeconds }: ClaimOptions,
  sequences: readonly number[],
): Promise<readonly ClaimedDelivery[]> {
  if (sequences.length === 0) return []
  const rows = await db
    .update(delivery)
    .set({
      heldBy: replica,
      attemptCount: sql`${delivery.attemptCount} + 1`,
      dueAt: sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`,
    })
    .from(outboxEventTable)
    .where(
      and(
        eq(delivery.notifier, notifier),
        inArray(delivery.sequence, [...sequences]),
        eq(outboxEventTable.sequence, delivery.sequence),
      ),
    )
    .returning({
      sequence: delivery.sequence,
      attemptCount: delivery.attemptCount,
      id: outboxEventTable.id,
      type: sql<EventType>`${outboxEventTable.type}`,
      orderKey: outboxEventTable.orderKey,
      data: outboxEventTable.data,
      createdAt: outboxEventTable.createdAt,
    })
  return rows.map(({ sequence, attemptCount, ...event }) => ({
    notifier,
    sequence,
    attemptCount,
    event,
  }))
}
