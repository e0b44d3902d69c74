import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { type EventType, emitEvent } from '../notify/index.ts'
import type { Grant } from './grant.ts'

/**
 * Tells those who listen what became of a grant, after the grant's row changed. Everything about a grant is
 * told in the order of the request that opened it.
 */
export async function emitGrantEvent(
  tx: Transaction,
  ctx: Pick<OperationContext, 'actor' | 'clock' | 'ids' | 'wakeOutbox'>,
  type: Extract<EventType, `grant.${string}`>,
  grant: Grant,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await emitEvent(tx, ctx, {
    type,
    orderKey: grant.requestId,
    data: {
      grant_id: grant.id,
      request_id: grant.requestId,
      subject: grant.subject,
      resource: grant.resource,
      role: grant.role,
      scopes: grant.scopes,
      state: grant.state,
      starts_at: grant.startsAt.toISOString(),
      ends_at: grant.endsAt.toISOString(),
      ended_at: grant.endedAt?.toISOString() ?? null,
      is_break_glass: grant.isBreakGlass,
      actor: { kind: ctx.actor.kind, id: ctx.actor.id, via: ctx.actor.via },
      ...more,
    },
  })
}
