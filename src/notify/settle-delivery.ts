import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { outboxDeliveryTable } from '../database/schema/notify.ts'
import { afterFailure } from './back-off.ts'
import type { ClaimedDelivery } from './claim-deliveries.ts'

const delivery = outboxDeliveryTable

/** How an attempt ended. */
export type AttemptResult = { readonly isDelivered: true } | { readonly error: unknown }

/** What became of the delivery; `taken_over` when the lease had ended and another replica has it. */
export type Settlement = 'delivered' | 'waiting' | 'undeliverable' | 'taken_over'

/** Records how an attempt ended, and lets the key's next event go when this one no longer stands before it. */
export async function settleDelivery(
  services: Pick<Services, 'database'>,
  claimed: ClaimedDelivery,
  result: AttemptResult,
): Promise<{ settlement: Settlement; reason?: string }> {
  const outcome =
    'error' in result
      ? afterFailure(claimed.attemptCount, result.error)
      : ({ state: 'delivered' } as const)
  return services.database.transaction(async (tx) => {
    const isStillHeld =
      outcome.state === 'waiting'
        ? await postpone(tx, claimed, outcome)
        : await close(tx, claimed, outcome.state, 'reason' in outcome ? outcome.reason : null)
    if (!isStillHeld) return { settlement: 'taken_over' }
    if (outcome.state !== 'waiting') await releaseNext(tx, claimed)
    return {
      settlement: outcome.state,
      ...('reason' in outcome ? { reason: outcome.reason } : {}),
    }
  })
}

function heldClaim({ notifier, sequence, attemptCount }: ClaimedDelivery) {
  return and(
    eq(delivery.notifier, notifier),
    eq(delivery.sequence, sequence),
    eq(delivery.state, 'waiting'),
    eq(delivery.attemptCount, attemptCount),
  )
}

/** Jitter of a fifth either way comes from the database, so that replicas do not retry in step. */
async function postpone(
  { db }: Transaction,
  claimed: ClaimedDelivery,
  { delaySeconds, reason }: { readonly delaySeconds: number; readonly reason: string },
): Promise<boolean> {
  const moved = await db
    .update(delivery)
    .set({
      heldBy: null,
      lastError: reason,
      dueAt: sql`clock_timestamp() + make_interval(secs => ${delaySeconds} * (0.8 + 0.4 * random()))`,
    })
    .where(heldClaim(claimed))
  return moved.rowCount === 1
}

async function close(
  { db }: Transaction,
  claimed: ClaimedDelivery,
  state: 'delivered' | 'undeliverable',
  lastError: string | null,
): Promise<boolean> {
  const moved = await db
    .update(delivery)
    .set({ state, heldBy: null, lastError, settledAt: sql`clock_timestamp()` })
    .where(heldClaim(claimed))
  return moved.rowCount === 1
}

async function releaseNext(
  { db }: Transaction,
  { notifier, event }: ClaimedDelivery,
): Promise<void> {
  const next = db
    .select({ sequence: sql`min(${delivery.sequence})` })
    .from(delivery)
    .where(
      and(
        eq(delivery.notifier, notifier),
        eq(delivery.orderKey, event.orderKey),
        eq(delivery.state, 'waiting'),
      ),
    )
  await db
    .update(delivery)
    .set({ dueAt: sql`clock_timestamp()` })
    .where(
      and(
        eq(delivery.notifier, notifier),
        eq(delivery.state, 'waiting'),
        sql`${delivery.sequence} = (${next})`,
        // somebody has it already: its due time is a lease
        isNull(delivery.heldBy),
      ),
    )
}
