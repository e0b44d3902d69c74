import {
  type Catalog,
  catalogInForce,
  type Explanation,
  explain,
  isAdmin,
  type OpenAsk,
} from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { actorFacts, subjectFacts } from '../identity/index.ts'
import { look } from '../operation.ts'
import { subjectIdOf } from './known-subject.ts'

export interface ExplainInput extends Pick<OpenAsk, 'role' | 'scopes' | 'durationSeconds'> {
  /** Whose ask; the actor's own when left out. */
  readonly subject: string | undefined
  readonly justification: string | undefined
  readonly ticket: string | undefined
  readonly startsAt: Date | undefined
  readonly isBreakGlass: boolean
}

/**
 * Explains what policy would say to an ask, under the catalog in force. Everyone may have their own
 * explained; admins and operators anyone's.
 */
export async function explainAccess(
  ctx: OperationContext,
  input: ExplainInput,
): Promise<Explanation> {
  return look(ctx, 'explain-access', async (db) => {
    const catalog = await catalogInForce(db)
    const id = subjectIdOf(input.subject ?? ctx.actor.id)
    await requireRight(db, ctx, catalog, id)
    const facts = await subjectFacts(db, ctx, id)
    const { subject: _, ...ask } = input
    return explain(catalog, facts, { ...ask, isExtension: false }, ctx.clock.now())
  })
}

async function requireRight(
  db: Queryable,
  ctx: OperationContext,
  catalog: Catalog,
  subjectId: string,
): Promise<void> {
  if (ctx.actor.kind === 'operator') return
  const actor = await actorFacts(db, ctx)
  if (actor.id === subjectId || isAdmin(catalog, actor)) return
  throw new HallpassError(
    'not_permitted',
    'Only admins may have another subject’s access explained. Ask about your own, or ask an admin.',
  )
}
