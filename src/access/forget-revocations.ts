import { lte } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { revocationTable } from '../database/schema/grants.ts'
import { operate } from '../operation.ts'
import { requireJob } from './require-job.ts'

/** Forgets revocations once every token they could concern has expired: after `forget_at`. Jobs and operators. */
export async function forgetRevocations(
  ctx: OperationContext,
): Promise<{ readonly forgottenCount: number }> {
  requireJob(ctx)
  return operate(ctx, 'forget-revocations', async (tx) => {
    const removed = await tx.db
      .delete(revocationTable)
      .where(lte(revocationTable.forgetAt, ctx.clock.now()))
    return { forgottenCount: removed.rowCount ?? 0 }
  })
}
