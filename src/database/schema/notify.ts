import { bigint, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** What happened, until every notifier was told and the retention is over. */
export const outboxEventTable = pgTable('outbox_event', {
  id: text('id').primaryKey(),
  sequence: bigint('sequence', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
  type: text('type').notNull(),
  orderKey: text('order_key').notNull(),
  data: jsonb('data').$type<Readonly<Record<string, unknown>>>().notNull(),
  createdAt: instant('created_at').notNull(),
})

/** Notifiers that events are owed to. */
export const outboxNotifierTable = pgTable('outbox_notifier', {
  name: text('name').primaryKey(),
  seenAt: instant('seen_at').notNull(),
})

/** One event owed to one notifier. Every instant is the database's own. */
export const outboxDeliveryTable = pgTable(
  'outbox_delivery',
  {
    notifier: text('notifier').notNull(),
    sequence: bigint('sequence', { mode: 'number' }).notNull(),
    orderKey: text('order_key').notNull(),
    state: text('state', { enum: ['waiting', 'delivered', 'undeliverable'] })
      .notNull()
      .default('waiting'),
    dueAt: instant('due_at').notNull(),
    heldBy: text('held_by'),
    attemptCount: integer('attempt_count').notNull().default(0),
    lastError: text('last_error'),
    createdAt: instant('created_at').notNull(),
    settledAt: instant('settled_at'),
  },
  (table) => [primaryKey({ columns: [table.sequence, table.notifier] })],
)
