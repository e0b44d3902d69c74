import type { OperationContext } from '../context.ts'
import { HallpassError } from '../errors.ts'

/** The outbox is tended by jobs and by operators at the machine, by nobody over the network. */
export function requireMaintainer({ actor }: Pick<OperationContext, 'actor'>): void {
  if (actor.kind === 'job' || actor.kind === 'operator') return
  throw new HallpassError('not_permitted', 'Only an operator at the machine may tend the outbox.')
}
