import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { type EventType, emitEvents } from '../notify/index.ts'
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
  await emitGrantEvents(tx, ctx, type, [grant], more)
}

/** The same for many grants that one act changed. */
export async function emitGrantEvents(
  tx: Transaction,
  ctx: Pick<OperationContext, 'actor' | 'clock' | 'ids' | 'wakeOutbox'>,
  type: Extract<EventType, `grant.${string}`>,
  grants: readonly Grant[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { kind, id, via } = ctx.actor
  const events = grants.map((grant) => ({
    type,
    orderKey: grant.requestId,
    data: { ...dataOf(grant), actor: { kind, id, via }, ...more },
  }))
  await emitEvents(tx, ctx, events)
}

function dataOf(grant: Grant): Readonly<Record<string, unknown>> {
  return {
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
  }
}
