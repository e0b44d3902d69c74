import { eq } from 'drizzle-orm'
import type { Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import type { Grant } from './grant.ts'
import { grantNotFound } from './grant-refusals.ts'

/**
 * Locks a grant's row to the end of the transaction: minting, moving and ending it happen one after another.
 * Throws `not_found`. Lock order everywhere: subject, resource, request, grant.
 */
export async function lockGrant(tx: Transaction, id: string): Promise<Grant> {
  const [grant] = await tx.db
    .select()
    .from(accessGrantTable)
    .where(eq(accessGrantTable.id, id))
    .for('update')
  if (grant === undefined) throw grantNotFound()
  return grant
}
