import { lte, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { requireJob } from './require-job.ts'
import { storeEndings } from './store-endings.ts'
import { isStoredLive, type SweptGrants, sweepGrants } from './sweep-grants.ts'

/**
 * Stores the end of every grant whose time ran out, and tells it. Nothing waits for it: what ended is refused by
 * its time. No revocation, since no token outlives its grant. Jobs and operators.
 */
export async function expireGrants(
  ctx: OperationContext,
): Promise<{ readonly expiredCount: number }> {
  requireJob(ctx)
  const now = ctx.clock.now()
  const ending = { event: 'expire', action: 'expire-grants', reason: null } as const
  const expiredCount = await sweepGrants(ctx, ending.action, {
    ...dueGrants(now),
    act: (tx, grants) => storeEndings(tx, ctx, grants, ending, now),
  })
  return { expiredCount }
}

/** The grants that are over by their time and not by their state. */
export function dueGrants(now: Date): SweptGrants {
  const { endsAt } = accessGrantTable
  return { condition: sql`${isStoredLive} and ${lte(endsAt, now)}`, orderBy: endsAt }
}
