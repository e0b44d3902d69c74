import type { OperationContext } from '../context.ts'
import { deleteJobRuns } from '../database/index.ts'
import { HallpassError } from '../errors.ts'

const keptMilliseconds = 30 * 24 * 60 * 60 * 1000

/** Forgets runs scheduled more than 30 days ago, but never the latest of a job. For jobs and operators. */
export async function forgetJobRuns(ctx: OperationContext): Promise<{ forgottenCount: number }> {
  if (ctx.actor.kind !== 'job' && ctx.actor.kind !== 'operator') {
    throw new HallpassError('not_permitted', 'Only an operator at the machine may tend the ledger.')
  }
  const before = new Date(ctx.clock.now().getTime() - keptMilliseconds)
  const forgottenCount = await ctx.database.transaction((tx) => deleteJobRuns(tx, before))
  return { forgottenCount }
}
