import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { type EventFacts, type EventType, emitEvents } from '../notify/index.ts'
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
  await emitEvents(
    tx,
    ctx,
    grants.map((grant) => grantEvent(ctx, type, grant, more)),
  )
}

/** What such an event says, for an act that emits it beside others. */
export function grantEvent(
  ctx: Pick<OperationContext, 'actor'>,
  type: Extract<EventType, `grant.${string}`>,
  grant: Grant,
  more: Readonly<Record<string, unknown>> = {},
): EventFacts {
  const { kind, id, via } = ctx.actor
  return {
    type,
    orderKey: grant.requestId,
    data: { ...dataOf(grant), actor: { kind, id, via }, ...more },
  }
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
