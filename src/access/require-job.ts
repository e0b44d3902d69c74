import type { OperationContext } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { requireTrustedClock } from '../operation.ts'

/**
 * Lets only a job or an operator sweep grants, and only by a clock that may be trusted: what a wrong clock ends
 * stays ended.
 */
export function requireJob(ctx: OperationContext): void {
  if (ctx.actor.kind !== 'job' && ctx.actor.kind !== 'operator') {
    throw new HallpassError('not_permitted', 'Only jobs and operators may do that.', {
      refusal: {},
    })
  }
  requireTrustedClock(ctx)
}
