import { catalogInForce, type VisibleCatalog, visibleCatalog } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { actorFacts } from '../identity/index.ts'

/** What the actor may ask for, under the catalog in force. People and workloads only. */
export async function viewCatalog(ctx: OperationContext): Promise<VisibleCatalog> {
  return ctx.database.read(async (db) => {
    const subject = await actorFacts(db, ctx)
    return visibleCatalog(await catalogInForce(db), subject)
  })
}
