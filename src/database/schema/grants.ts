import { boolean, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** Time-bound authority; moved only under its row lock. */
export const accessGrantTable = pgTable('access_grant', {
  id: text('id').primaryKey(),
  requestId: text('request_id').notNull(),
  subject: text('subject').notNull(),
  resource: text('resource').notNull(),
  audience: text('audience').notNull(),
  role: text('role').notNull(),
  scopes: text('scopes').array().notNull(),
  policy: text('policy').notNull(),
  catalogVersion: integer('catalog_version').notNull(),
  state: text('state')
    .$type<'scheduled' | 'active' | 'suspended' | 'revoked' | 'released' | 'expired'>()
    .notNull(),
  isBreakGlass: boolean('is_break_glass').notNull().default(false),
  tokenLifetimeSeconds: integer('token_lifetime_seconds').notNull(),
  startsAt: instant('starts_at').notNull(),
  endsAt: instant('ends_at').notNull(),
  endedAt: instant('ended_at'),
  endedBy: text('ended_by'),
  endReason: text('end_reason'),
  /** The end that its holder was warned of; another end is warned of again. */
  endingToldFor: instant('ending_told_for'),
  createdAt: instant('created_at').notNull(),
  version: integer('version').notNull().default(1),
})

/** Every minted token by its id, never the token, until it has expired. */
export const issuedTokenTable = pgTable('issued_token', {
  jti: text('jti').primaryKey(),
  grantId: text('grant_id').notNull(),
  subject: text('subject').notNull(),
  resource: text('resource').notNull(),
  clientId: text('client_id').notNull(),
  scopes: text('scopes').array().notNull(),
  kid: text('kid').notNull(),
  issuedAt: instant('issued_at').notNull(),
  expiresAt: instant('expires_at').notNull(),
})

/** What was taken back, for as long as a token that it concerns could still be shown. */
export const revocationTable = pgTable('revocation', {
  id: text('id').primaryKey(),
  kind: text('kind').$type<'grant' | 'token' | 'subject' | 'resource'>().notNull(),
  target: text('target').notNull(),
  /** Whose verifiers need to know; null means every resource. */
  resource: text('resource'),
  at: instant('at').notNull(),
  forgetAt: instant('forget_at').notNull(),
})
