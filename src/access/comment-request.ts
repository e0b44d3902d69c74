import { appendEntry } from '../audit/index.ts'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { requestCommentTable } from '../database/schema/access.ts'
import { actorFacts } from '../identity/index.ts'
import { operate } from '../operation.ts'
import { refuseFaults } from './ask-input.ts'
import { textFault, tidyText } from './free-text.ts'
import { loadFacts, readRequest } from './load-request.ts'
import { requestFacts, requestNotFound } from './request-refusals.ts'
import { type RequestView, requestView } from './request-view.ts'
import { maySee, situationOf } from './situation.ts'

const longestComment = 1000

/** Says something about a request, open or closed. Whoever may see it; `not_found` for everyone else. */
export async function commentRequest(
  ctx: OperationContext,
  input: { readonly requestId: string; readonly text: string },
): Promise<RequestView> {
  const text = tidyText(input.text)
  const empty = { pointer: '/text', message: 'must say something' }
  refuseFaults([text === '' ? empty : textFault('/text', text, longestComment)])
  return operate(ctx, 'comment-request', async (tx) => {
    const actor = await actorFacts(tx.db, ctx)
    const request = await readRequest(tx.db, input.requestId)
    if (request === undefined) throw requestNotFound()
    const catalog = await catalogInForce(tx.db)
    const now = ctx.clock.now()
    const [facts] = await loadFacts(tx.db, ctx, catalog, [request])
    if (facts === undefined || !maySee(catalog, situationOf(catalog, facts, now), actor)) {
      throw requestNotFound(request)
    }
    const comment = {
      id: ctx.ids.next('cmt'),
      requestId: request.id,
      author: actor.id,
      text,
      via: ctx.actor.via,
      at: now,
    }
    await tx.db.insert(requestCommentTable).values(comment)
    await appendEntry(tx, ctx, {
      action: 'comment-request',
      outcome: 'ok',
      ...requestFacts(request),
      details: { comment_id: comment.id },
    })
    return requestView(catalog, { ...facts, comments: [...facts.comments, comment] }, now)
  })
}
