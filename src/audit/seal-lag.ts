import { isNull, min, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import { auditEntryTable } from '../database/schema/audit.ts'

/** Age in seconds of the oldest committed entry that waits to be sealed; 0 when none does. */
export async function sealLagSeconds(ctx: Pick<Services, 'clock' | 'database'>): Promise<number> {
  const [oldest] = await ctx.database.read((db) =>
    db
      .select({ at: min(auditEntryTable.at) })
      .from(auditEntryTable)
      .where(isNull(auditEntryTable.position)),
  )
  return oldest?.at == null
    ? 0
    : Math.max(0, (ctx.clock.now().getTime() - oldest.at.getTime()) / 1000)
}

/** True when the role that asks could change the log directly, e.g. because it owns the tables. For `doctor`. */
export async function isLogWritable(ctx: Pick<Services, 'database'>): Promise<boolean> {
  const { rows } = await ctx.database.read((db) =>
    db.execute<{ is_writable: boolean }>(sql`
      select bool_or(pg_has_role(relowner, 'member')
                     or has_table_privilege(oid, 'insert, update, delete, truncate, trigger')) as is_writable
      from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname like 'audit\\_%'`),
  )
  return rows[0]?.is_writable !== false
}
