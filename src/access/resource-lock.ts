import { sql } from 'drizzle-orm'
import type { Transaction } from '../database/index.ts'

/**
 * Holds a resource's name to the end of the transaction: `share` to open a grant or mint on it, `update` to end
 * everything on it. Lock order everywhere: subject, resource, request, grant.
 */
export async function lockResource(
  tx: Transaction,
  name: string,
  mode: 'share' | 'update',
): Promise<void> {
  const key = sql`hashtextextended(${`resource:${name}`}, 0)`
  await tx.db.execute(
    mode === 'share'
      ? sql`select pg_advisory_xact_lock_shared(${key})`
      : sql`select pg_advisory_xact_lock(${key})`,
  )
}
