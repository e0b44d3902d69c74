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
  await tx.db.execute(sql`with event as (
      insert into outbox_event (id, type, order_key, data, created_at)
      values (${ctx.ids.next('evt')}, ${event.type}, ${event.orderKey},
              ${JSON.stringify(event.data)}::jsonb, ${ctx.clock.now().toISOString()}::timestamptz)
      returning sequence, order_key
    )
    insert into outbox_delivery (notifier, sequence, order_key)
    select outbox_notifier.name, event.sequence, event.order_key
    from outbox_notifier cross join event`)
  tx.afterCommit(ctx.wakeOutbox)
}
