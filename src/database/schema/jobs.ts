import { integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** One run of one job, by its scheduled time. Every instant is the database's own. */
export const jobRunTable = pgTable(
  'job_run',
  {
    job: text('job').notNull(),
    scheduledAt: instant('scheduled_at').notNull(),
    startedAt: instant('started_at').notNull(),
    heldUntil: instant('held_until').notNull(),
    finishedAt: instant('finished_at'),
    outcome: text('outcome', { enum: ['ok', 'failed'] }),
    details: jsonb('details').$type<Readonly<Record<string, unknown>>>(),
    replica: text('replica').notNull(),
    attemptCount: integer('attempt_count').notNull().default(1),
  },
  (table) => [primaryKey({ columns: [table.job, table.scheduledAt] })],
)
