import { catalogInForce, isAdmin } from '../../catalog/index.ts'
import type { OperationContext } from '../../context.ts'
import type { Queryable } from '../../database/index.ts'
import { HallpassError } from '../../errors.ts'
import { actorFacts } from '../../identity/index.ts'

/** Lets admins read the log, and an operator, who is at the database already. Throws `not_permitted`. */
export async function requireReader(db: Queryable, ctx: OperationContext): Promise<void> {
  if (ctx.actor.kind === 'operator') return
  const facts = await actorFacts(db, ctx)
  if (isAdmin(await catalogInForce(db), facts)) return
  throw new HallpassError('not_permitted', 'Only admins may read the audit log. Ask one of them.', {
    refusal: {},
  })
}
