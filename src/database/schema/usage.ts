import {
  bigint,
  date,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** When a grant was taken up and used. Instants only move outwards, so that repeated writes change nothing. */
export const grantUsageTable = pgTable('grant_usage', {
  grantId: text('grant_id').primaryKey(),
  firstMintedAt: instant('first_minted_at'),
  lastMintedAt: instant('last_minted_at'),
  firstUsedAt: instant('first_used_at'),
  lastUsedAt: instant('last_used_at'),
  /** Reported, allowed events alone. */
  allowedCount: bigint('allowed_count', { mode: 'number' }).notNull().default(0),
})

/** The same for each scope of a grant that was named when it was used. */
export const grantScopeUsageTable = pgTable(
  'grant_scope_usage',
  {
    grantId: text('grant_id').notNull(),
    scope: text('scope').notNull(),
    firstUsedAt: instant('first_used_at').notNull(),
    lastUsedAt: instant('last_used_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.grantId, table.scope] })],
)

/** When a resource last told of any use; may lag by seconds. */
export const resourceEvidenceTable = pgTable('resource_evidence', {
  resource: text('resource').primaryKey(),
  lastSeenAt: instant('last_seen_at').notNull(),
})

/** What its holder wants to keep, used or not. */
export const keptPermissionTable = pgTable(
  'kept_permission',
  {
    subject: text('subject').notNull(),
    role: text('role').notNull(),
    reason: text('reason').notNull(),
    until: instant('until').notNull(),
    keptAt: instant('kept_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.subject, table.role] })],
)

/** What one holder was told in one week. `items` are rows of CONTRACTS §4, each with `kept_until`. */
export const unusedPermissionReportTable = pgTable(
  'unused_permission_report',
  {
    /** its Monday */
    week: date('week').notNull(),
    subject: text('subject').notNull(),
    generatedAt: instant('generated_at').notNull(),
    windowDays: integer('window_days').notNull(),
    items: jsonb('items').$type<readonly Readonly<Record<string, unknown>>[]>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.week, table.subject] })],
)
