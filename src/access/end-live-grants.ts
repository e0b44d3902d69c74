import { and, asc, eq, gt, inArray } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { type Grant, liveStates } from './grant.ts'
import { storeEndings } from './store-endings.ts'

/**
 * Revokes every grant of a subject or on a resource that is not over, each with its own audit entry and event.
 * The caller holds what opening and minting take, writes the one revocation for all, and checked the right.
 */
export async function endLiveGrants(
  tx: Transaction,
  ctx: OperationContext,
  of: { readonly subject: string } | { readonly resource: string },
  ending: { readonly action: string; readonly reason: string },
  now: Date,
): Promise<number> {
  const isConcerned =
    'subject' in of
      ? eq(accessGrantTable.subject, of.subject)
      : eq(accessGrantTable.resource, of.resource)
  const grants: readonly Grant[] = await tx.db
    .select()
    .from(accessGrantTable)
    .where(
      and(
        isConcerned,
        inArray(accessGrantTable.state, [...liveStates]),
        gt(accessGrantTable.endsAt, now),
      ),
    )
    .orderBy(asc(accessGrantTable.id))
    .for('update')
  await storeEndings(tx, ctx, grants, { event: 'revoke', ...ending }, now)
  return grants.length
}
