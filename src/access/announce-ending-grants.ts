import { gt, lte, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { changeGrant } from './change-grant.ts'
import { emitGrantEvents } from './grant-events.ts'
import { requireJob } from './require-job.ts'
import { sweepGrants } from './sweep-grants.ts'

/** How long before its end a holder is told. */
const warningSeconds = 10 * 60

/**
 * Tells the end of every active grant ten minutes before, once for each end: one that was extended is told again.
 * A shorter grant is told as soon as it is active. Jobs and operators.
 */
export async function announceEndingGrants(
  ctx: OperationContext,
): Promise<{ readonly announcedCount: number }> {
  requireJob(ctx)
  const now = ctx.clock.now()
  const soon = new Date(now.getTime() + warningSeconds * 1000)
  const { state, endsAt, endingToldFor } = accessGrantTable
  const announcedCount = await sweepGrants(ctx, 'announce-ending-grants', {
    condition: sql`${state} = 'active' and ${gt(endsAt, now)} and ${lte(endsAt, soon)}
      and ${endingToldFor} is distinct from ${endsAt}`,
    orderBy: endsAt,
    act: async (tx, grants) => {
      for (const grant of grants) await changeGrant(tx, grant, { endingToldFor: grant.endsAt })
      await emitGrantEvents(tx, ctx, 'grant.ending', grants)
    },
  })
  return { announcedCount }
}
