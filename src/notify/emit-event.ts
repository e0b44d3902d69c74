import { sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'

/** CONTRACTS §8, "Events". */
export type EventType =
  | 'request.submitted'
  | 'request.reviewed'
  | 'request.approved'
  | 'request.denied'
  | 'request.cancelled'
  | 'request.expired'
  | 'grant.opened'
  | 'grant.started'
  | 'grant.ending'
  | 'grant.extended'
  | 'grant.suspended'
  | 'grant.resumed'
  | 'grant.released'
  | 'grant.revoked'
  | 'grant.expired'
  | 'break_glass.reviewed'
  | 'subject.disabled'
  | 'subject.enabled'
  | 'credential.created'
  | 'credential.deleted'
  | 'finding.opened'
  | 'finding.closed'
  | 'report.unused'

/** What happened, for those who are told. `data` is snake_case JSON and holds no secret. */
export interface EventFacts {
  readonly type: EventType
  /** Events of one key are delivered in order: the request's id wherever there is a request. */
  readonly orderKey: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * Puts an event into the outbox in the caller's transaction, owed to every notifier known by then; it leaves
 * only when that commits. Events of one key keep their order when their transactions share a row lock.
 */
export async function emitEvent(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock' | 'ids' | 'wakeOutbox'>,
  event: EventFacts,
): Promise<void> {
  await emitEvents(tx, ctx, [event])
}

/** The same for many events of one act, in their order, in one statement. */
export async function emitEvents(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock' | 'ids' | 'wakeOutbox'>,
  events: readonly EventFacts[],
): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(({ type, orderKey, data }) => ({
    id: ctx.ids.next('evt'),
    type,
    order_key: orderKey,
    data,
  }))
  await tx.db.execute(sql`with event as (
      insert into outbox_event (id, type, order_key, data, created_at)
      select e.id, e.type, e.order_key, e.data, ${ctx.clock.now().toISOString()}::timestamptz
      from rows from (jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as (id text, type text, order_key text, data jsonb)) with ordinality
        as e (id, type, order_key, data, place)
      order by e.place
      returning sequence, order_key
    )
    insert into outbox_delivery (notifier, sequence, order_key)
    select outbox_notifier.name, event.sequence, event.order_key
    from outbox_notifier cross join event`)
  tx.afterCommit(ctx.wakeOutbox)
}
