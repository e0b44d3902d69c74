import type { Catalog, Policy } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import type { Grant } from './grant.ts'
import type { AccessRequest } from './request.ts'

/**
 * Opens the one grant of a request that was completed at `now`. Its clock starts now, or at `starts_at` when
 * later, and never at the request. The caller holds the subject's row and the resource's lock, stores the
 * grant's id with the request and tells it. A revocation of the whole subject or resource that still lives
 * hinders minting, not this.
 */
export async function openGrant(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  policy: Policy,
  request: AccessRequest,
  now: Date,
): Promise<Grant> {
  const resource = catalog.resources.get(request.resource)
  if (resource === undefined) {
    throw new HallpassError('not_eligible', 'The resource is no longer in the catalog.')
  }
  const isLater = request.startsAt !== null && request.startsAt.getTime() > now.getTime()
  const startsAt = isLater ? request.startsAt : now
  const [grant] = await tx.db
    .insert(accessGrantTable)
    .values({
      id: ctx.ids.next('grt'),
      requestId: request.id,
      subject: request.subject,
      resource: request.resource,
      audience: resource.audience,
      role: request.role,
      scopes: [...request.scopes],
      policy: policy.name,
      catalogVersion: catalog.version,
      state: isLater ? 'scheduled' : 'active',
      isBreakGlass: request.isBreakGlass,
      tokenLifetimeSeconds: policy.tokenLifetimeSeconds,
      startsAt,
      endsAt: new Date(startsAt.getTime() + request.durationSeconds * 1000),
      createdAt: now,
    })
    .returning()
  if (grant === undefined) throw new Error('an inserted grant was not returned')
  return grant
}
