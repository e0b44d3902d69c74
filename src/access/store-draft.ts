import { appendEntry } from '../audit/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { emitEvents } from '../notify/index.ts'
import { type Granting, insertRequest } from './draft-request.ts'
import { grantApproved } from './grant-approved.ts'
import type { LoadedRequest } from './load-request.ts'
import { audienceOf, orderKeyOf, requestEvent } from './request-events.ts'

/**
 * Stores a drafted request; where policy allows at once, opens its grant (or gives the extended one its time) in
 * the same transaction. Undefined when a request that excludes this one was stored first.
 */
export async function storeDraft(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  draft: LoadedRequest,
  decision: Granting,
  now: Date,
): Promise<LoadedRequest | undefined> {
  let request = await insertRequest(tx, draft.request)
  if (request === undefined) return undefined
  const isApproved = request.state === 'approved'
  const orderKey = orderKeyOf(draft)
  const events = [
    requestEvent(ctx, 'request.submitted', request, orderKey, {
      ...audienceOf(catalog, draft, now),
      decision: decision.outcome,
    }),
  ]
  if (isApproved) {
    const given = await grantApproved(tx, ctx, catalog, decision.policy, request, {}, now)
    request = given.request
    const approved = requestEvent(ctx, 'request.approved', request, orderKey, {
      approved_by: [],
      reasons: decision.reasons.map(({ code }) => code),
    })
    events.push(approved, given.event)
  }
  await emitEvents(tx, ctx, events)
  await appendEntry(tx, ctx, {
    action: request.extendsGrantId === null ? 'submit-request' : 'extend-grant',
    outcome: 'ok',
    subject: request.subject,
    resource: request.resource,
    requestId: request.id,
    grantId: request.grantId ?? request.extendsGrantId ?? undefined,
    details: {
      role: request.role,
      scopes: request.scopes,
      duration_seconds: request.durationSeconds,
      policy: request.policy,
      catalog_version: request.catalogVersion,
      decision: decision.outcome,
      reasons: decision.reasons.map(({ code }) => code),
      is_break_glass: request.isBreakGlass,
    },
  })
  return { ...draft, request }
}
