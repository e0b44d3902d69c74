import { boolean, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** Every catalog ever applied. The highest version is in force. Never changed, never removed. */
export const catalogVersionTable = pgTable('catalog_version', {
  version: integer('version').primaryKey(),
  content: text('content').notNull(),
  /** The texts of the files that the content names, by the path it gives. */
  files: jsonb('files').$type<Record<string, string>>().notNull(),
  contentHash: text('content_hash').notNull(),
  appliedAt: timestamp('applied_at', { withTimezone: true, precision: 3 }).notNull(),
  appliedBy: jsonb('applied_by').$type<{ kind: string; id: string; via: string }>().notNull(),
  isForced: boolean('is_forced').notNull().default(false),
})
