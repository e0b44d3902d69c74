import {
  bigint,
  boolean,
  customType,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
} from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

/** Who did what, when, with which outcome. The application reads it, and writes through functions. */
export const auditEntryTable = pgTable('audit_entry', {
  id: text('id').primaryKey(),
  /** The order of writing; gaps mean nothing. */
  sequence: bigint('sequence', { mode: 'number' }).generatedAlwaysAsIdentity(),
  /** Null until sealed, then gapless from 1. */
  position: bigint('position', { mode: 'number' }),
  at: instant('at').notNull(),
  action: text('action').notNull(),
  actorKind: text('actor_kind').notNull(),
  actorId: text('actor_id').notNull(),
  actorVia: text('actor_via').notNull(),
  subject: text('subject'),
  resource: text('resource'),
  requestId: text('request_id'),
  grantId: text('grant_id'),
  outcome: text('outcome').$type<'ok' | 'refused'>().notNull(),
  code: text('code'),
  details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
})

/** Hashes of complete subtrees; level 0 are the leaves. */
export const auditNodeTable = pgTable(
  'audit_node',
  {
    level: smallint('level').notNull(),
    index: bigint('index', { mode: 'number' }).notNull(),
    hash: bytea('hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.level, table.index] })],
)

/** Signed statements about the log, one for each sealing. */
export const auditCheckpointTable = pgTable('audit_checkpoint', {
  size: bigint('size', { mode: 'number' }).primaryKey(),
  root: bytea('root').notNull(),
  note: text('note').notNull(),
  sealedAt: instant('sealed_at').notNull(),
})

/** The one key that signs checkpoints. */
export const auditKeyTable = pgTable('audit_key', {
  isOnly: boolean('is_only').primaryKey().default(true),
  verifierKey: text('verifier_key').notNull(),
  privateSealed: bytea('private_sealed').notNull(),
  createdAt: instant('created_at').notNull(),
})
