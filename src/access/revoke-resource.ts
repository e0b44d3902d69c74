import { eq } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'
import { endLiveGrants } from './end-live-grants.ts'
import { checkedReason } from './end-reason.ts'
import { mayGovernResource } from './grant-rights.ts'
import { lockResource } from './resource-lock.ts'
import { revokeAllTokens } from './revoke-all-tokens.ts'
import { standingOf } from './standing.ts'
import { timeOfEnding } from './time-of-ending.ts'

/**
 * Ends every grant and token on a resource in one transaction, with one revocation. Requests that wait stay. Its
 * owners, admins and operators; admins also where the catalog no longer has the resource.
 */
export async function revokeResource(
  ctx: OperationContext,
  input: { readonly resource: string; readonly reason: string },
): Promise<{ readonly grantsRevoked: number }> {
  const reason = checkedReason(input.reason)
  const { resource } = input
  const action = 'revoke-resource'
  return operate(ctx, action, async (tx) => {
    const { catalog, standing } = await standingOf(tx.db, ctx)
    if (!(await isKnown(tx.db, catalog, resource))) {
      throw new HallpassError('not_found', 'There is no such resource. Check the spelling.')
    }
    if (!mayGovernResource(catalog, standing, resource)) {
      throw new HallpassError('not_permitted', 'Only owners of the resource and admins may.', {
        refusal: { resource },
      })
    }
    await lockResource(tx, resource, 'update')
    const now = await timeOfEnding(tx, ctx)
    const grantsRevoked = await endLiveGrants(tx, ctx, { resource }, { action, reason }, now)
    await revokeAllTokens(tx, ctx, { kind: 'resource', target: resource }, now)
    const details = { reason, grants_revoked: grantsRevoked }
    await appendEntry(tx, ctx, { action, outcome: 'ok', resource, details })
    return { grantsRevoked }
  })
}

async function isKnown(db: Queryable, catalog: Catalog, resource: string): Promise<boolean> {
  if (catalog.resources.has(resource)) return true
  const [row] = await db
    .select({ id: accessGrantTable.id })
    .from(accessGrantTable)
    .where(eq(accessGrantTable.resource, resource))
    .limit(1)
  return row !== undefined
}
