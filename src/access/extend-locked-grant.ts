import type { Transaction } from '../database/index.ts'
import { changeGrant } from './change-grant.ts'
import type { Grant } from './grant.ts'
import { requireMove } from './grant-refusals.ts'
import { lockGrant } from './lock-grant.ts'
import type { AccessRequest } from './request.ts'

/**
 * Adds an approved extension's time to the end of its grant. The caller holds the subject's row, the resource's
 * lock and the request's row. Throws `grant_ended` when the grant is over, by its state or by its time.
 */
export async function extendLockedGrant(
  tx: Transaction,
  request: AccessRequest,
  now: Date,
): Promise<{ readonly grant: Grant; readonly previousEndsAt: Date }> {
  if (request.extendsGrantId === null) throw new Error('this request extends nothing')
  const grant = await lockGrant(tx, request.extendsGrantId)
  requireMove(grant, 'extend', now)
  const endsAt = new Date(grant.endsAt.getTime() + request.durationSeconds * 1000)
  return { grant: await changeGrant(tx, grant, { endsAt }), previousEndsAt: grant.endsAt }
}
