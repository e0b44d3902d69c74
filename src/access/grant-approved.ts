import type { Catalog, Policy } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import type { EventFacts } from '../notify/index.ts'
import { changeRequest, type RequestChanges } from './change-request.ts'
import { extendLockedGrant } from './extend-locked-grant.ts'
import { grantEvent } from './grant-events.ts'
import { openGrant } from './open-grant.ts'
import type { AccessRequest } from './request.ts'

/**
 * Gives a request that these changes approve what it asked for: its own grant, or more time for the one it extends;
 * and stores the changes. The caller holds the subject's row, the resource's lock and the request's row, and emits
 * the event after the approval's, so that nobody hears of a grant before its approval.
 */
export async function grantApproved(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  policy: Policy,
  request: AccessRequest,
  changes: RequestChanges,
  now: Date,
): Promise<{ readonly request: AccessRequest; readonly event: EventFacts }> {
  const approved = { ...request, ...changes }
  if (approved.extendsGrantId === null) {
    const grant = await openGrant(tx, ctx, catalog, policy, approved, now)
    const changed = await changeRequest(tx, request, { ...changes, grantId: grant.id })
    return { request: changed, event: grantEvent(ctx, 'grant.opened', grant) }
  }
  const { grant, previousEndsAt } = await extendLockedGrant(tx, approved, now)
  const changed = await changeRequest(tx, request, { ...changes, grantId: grant.id })
  const more = {
    extension_request_id: approved.id,
    previous_ends_at: previousEndsAt.toISOString(),
  }
  return { request: changed, event: grantEvent(ctx, 'grant.extended', grant, more) }
}
