import type { Catalog, Policy } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { changeRequest } from './change-request.ts'
import { extendLockedGrant } from './extend-locked-grant.ts'
import { emitGrantEvent } from './grant-events.ts'
import { openGrant } from './open-grant.ts'
import type { AccessRequest } from './request.ts'

/**
 * Gives an approved request what it asked for: its own grant, or more time for the one it extends. The caller
 * holds the subject's row, the resource's lock and the request's row, and calls `tell` once it has told the
 * approval, so that nobody hears of a grant before its approval.
 */
export async function grantApproved(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  policy: Policy,
  approved: AccessRequest,
  now: Date,
): Promise<{ readonly request: AccessRequest; readonly tell: () => Promise<void> }> {
  if (approved.extendsGrantId === null) {
    const grant = await openGrant(tx, ctx, catalog, policy, approved, now)
    const request = await changeRequest(tx, approved, { grantId: grant.id })
    return { request, tell: () => emitGrantEvent(tx, ctx, 'grant.opened', grant) }
  }
  const { grant, previousEndsAt } = await extendLockedGrant(tx, approved, now)
  const request = await changeRequest(tx, approved, { grantId: grant.id })
  const more = {
    extension_request_id: approved.id,
    previous_ends_at: previousEndsAt.toISOString(),
  }
  return { request, tell: () => emitGrantEvent(tx, ctx, 'grant.extended', grant, more) }
}
