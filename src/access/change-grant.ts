import { and, eq } from 'drizzle-orm'
import type { Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import type { Grant } from './grant.ts'

/** What may change after a grant was opened; its subject, role and policy never do. */
type GrantChanges = Partial<
  Pick<Grant, 'state' | 'endsAt' | 'endedAt' | 'endedBy' | 'endReason' | 'endingToldFor' | 'scopes'>
>

/**
 * Changes a locked grant by compare-and-set on state and version, and raises the version. Zero rows means that
 * the lock was not held: `stale_version`, and nothing happens.
 */
export async function changeGrant(
  tx: Transaction,
  grant: Grant,
  { scopes, ...changes }: GrantChanges,
): Promise<Grant> {
  const [changed] = await tx.db
    .update(accessGrantTable)
    .set({
      ...changes,
      ...(scopes === undefined ? {} : { scopes: [...scopes] }),
      version: grant.version + 1,
    })
    .where(
      and(
        eq(accessGrantTable.id, grant.id),
        eq(accessGrantTable.state, grant.state),
        eq(accessGrantTable.version, grant.version),
      ),
    )
    .returning()
  if (changed === undefined) {
    throw new HallpassError('stale_version', 'The grant changed in the meantime. Read it again.')
  }
  return changed
}
