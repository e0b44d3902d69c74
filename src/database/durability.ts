import { sql } from 'drizzle-orm'
import type { Queryable } from './database.ts'

/**
 * True when an acknowledged commit survives a crash of the server: neither `fsync` nor, for this role,
 * `synchronous_commit` is off.
 */
export async function areCommitsDurable(db: Queryable): Promise<boolean> {
  const { rows } = await db.execute<{ fsync: string; synchronous_commit: string }>(
    sql`select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit`,
  )
  const [settings] = rows
  return settings !== undefined && settings.fsync !== 'off' && settings.synchronous_commit !== 'off'
}
