import { sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import { outboxNotifierTable } from '../database/schema/notify.ts'

/** From now on every event is owed to these notifiers too. Repeated, it says that somebody still runs them. */
export async function registerNotifiers(
  services: Pick<Services, 'database'>,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return
  await services.database.read((db) =>
    db
      .insert(outboxNotifierTable)
      .values([...names].sort().map((name) => ({ name, seenAt: sql`clock_timestamp()` })))
      .onConflictDoUpdate({
        target: outboxNotifierTable.name,
        set: { seenAt: sql`clock_timestamp()` },
      }),
  )
}
