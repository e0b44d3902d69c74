import { appendEntry } from '../audit/index.ts'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { actorFacts } from '../identity/index.ts'
import { operate } from '../operation.ts'
import { changeRequest } from './change-request.ts'
import { loadFacts, lockRequest } from './load-request.ts'
import { moveRequest } from './request.ts'
import { emitRequestEvent, orderKeyOf } from './request-events.ts'
import { requestFacts, requestNotFound } from './request-refusals.ts'
import { type RequestView, requestView } from './request-view.ts'
import { maySee, situationOf } from './situation.ts'

/**
 * Takes the actor's own request back while it is pending. Throws `not_found`, `not_permitted` for anyone but its
 * subject, `request_closed`.
 */
export async function cancelRequest(
  ctx: OperationContext,
  input: { readonly requestId: string },
): Promise<RequestView> {
  return operate(ctx, 'cancel-request', async (tx) => {
    const actor = await actorFacts(tx.db, ctx)
    const request = await lockRequest(tx, input.requestId)
    if (request === undefined) throw requestNotFound()
    const catalog = await catalogInForce(tx.db)
    const now = ctx.clock.now()
    const [facts] = await loadFacts(tx.db, ctx, catalog, [request])
    if (facts === undefined || !maySee(catalog, situationOf(catalog, facts, now), actor)) {
      throw requestNotFound(request)
    }
    if (actor.id !== request.subject) {
      throw new HallpassError('not_permitted', 'Only whoever asked may cancel. You may deny it.', {
        refusal: requestFacts(request),
      })
    }
    const state = moveRequest(request, 'cancel', now)
    if (state === undefined) {
      throw new HallpassError(
        'request_closed',
        'This request is closed; nothing is left to cancel.',
      )
    }
    const cancelled = await changeRequest(tx, request, { state, decidedAt: now })
    await appendEntry(tx, ctx, {
      action: 'cancel-request',
      outcome: 'ok',
      ...requestFacts(request),
    })
    await emitRequestEvent(tx, ctx, 'request.cancelled', cancelled, orderKeyOf(facts))
    return requestView(catalog, { ...facts, request: cancelled }, now)
  })
}
