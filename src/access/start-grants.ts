import { gt, lte, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { requireJob } from './require-job.ts'
import { startLockedGrant } from './start-locked-grant.ts'
import { sweepGrants } from './sweep-grants.ts'

/**
 * Stores the start of every scheduled grant that has begun, and tells it. Nothing waits for it: a grant is usable
 * from its time on. Jobs and operators.
 */
export async function startGrants(
  ctx: OperationContext,
): Promise<{ readonly startedCount: number }> {
  requireJob(ctx)
  const now = ctx.clock.now()
  const { state, startsAt, endsAt } = accessGrantTable
  const startedCount = await sweepGrants(ctx, 'start-grants', {
    condition: sql`${state} = 'scheduled' and ${lte(startsAt, now)} and ${gt(endsAt, now)}`,
    orderBy: startsAt,
    act: async (tx, grants) => {
      for (const grant of grants) await startLockedGrant(tx, ctx, grant)
    },
  })
  return { startedCount }
}
