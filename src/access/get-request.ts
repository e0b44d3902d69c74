import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { actorFacts } from '../identity/index.ts'
import { loadFacts, readRequest } from './load-request.ts'
import { requestNotFound } from './request-refusals.ts'
import { type RequestView, requestView } from './request-view.ts'
import { maySee, situationOf } from './situation.ts'

/** One request. Its subject, its reviewers, the resource's owners and admins; `not_found` for everyone else. */
export async function getRequest(
  ctx: OperationContext,
  input: { readonly requestId: string },
): Promise<RequestView> {
  return ctx.database.read(async (db) => {
    const actor = await actorFacts(db, ctx)
    const request = await readRequest(db, input.requestId)
    if (request === undefined) throw requestNotFound()
    const catalog = await catalogInForce(db)
    const now = ctx.clock.now()
    const [facts] = await loadFacts(db, ctx, catalog, [request])
    if (facts === undefined || !maySee(catalog, situationOf(catalog, facts, now), actor)) {
      throw requestNotFound()
    }
    return requestView(catalog, facts, now)
  })
}
