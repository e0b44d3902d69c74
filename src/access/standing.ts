import { type Catalog, catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { actorFacts } from '../identity/index.ts'
import type { Standing } from './grant-rights.ts'

/**
 * Who acts, for the rules of grant-rights.ts, beside the catalog that they are judged by. Throws
 * `unauthenticated` for nobody and `not_permitted` for a disabled subject.
 */
export async function standingOf(
  db: Queryable,
  ctx: Pick<OperationContext, 'actor' | 'clock'>,
): Promise<{ readonly catalog: Catalog; readonly standing: Standing }> {
  const catalog = await catalogInForce(db)
  switch (ctx.actor.kind) {
    case 'operator':
      return { catalog, standing: { kind: 'operator' } }
    case 'job':
      return { catalog, standing: { kind: 'job' } }
    case 'resource':
      return { catalog, standing: { kind: 'none' } }
    default:
      return { catalog, standing: { kind: 'subject', facts: await actorFacts(db, ctx) } }
  }
}
