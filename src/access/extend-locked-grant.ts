import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { changeGrant } from './change-grant.ts'
import type { Grant } from './grant.ts'
import { emitGrantEvent } from './grant-events.ts'
import { requireMove } from './grant-refusals.ts'
import { lockGrant } from './lock-grant.ts'
import { refuseRecentlyRevoked } from './recently-revoked.ts'
import type { AccessRequest } from './request.ts'

/**
 * Adds an approved extension's time to the end of its grant. The caller holds the subject's row, the resource's
 * lock and the request's row. Throws `grant_ended` when the grant is over, by its state or by its time.
 */
export async function extendLockedGrant(
  tx: Transaction,
  ctx: OperationContext,
  request: AccessRequest,
  now: Date,
): Promise<Grant> {
  if (request.extendsGrantId === null) throw new Error('this request extends nothing')
  const grant = await lockGrant(tx, request.extendsGrantId)
  requireMove(grant, 'extend', now)
  await refuseRecentlyRevoked(tx, request.subject, request.resource, now)
  const endsAt = new Date(grant.endsAt.getTime() + request.durationSeconds * 1000)
  const extended = await changeGrant(tx, grant, { endsAt })
  await emitGrantEvent(tx, ctx, 'grant.extended', extended, {
    extension_request_id: request.id,
    previous_ends_at: grant.endsAt.toISOString(),
  })
  return extended
}
