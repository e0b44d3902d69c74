import { sql } from 'drizzle-orm'
import { boolean, customType, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** Everyone and everything that ever asked, signed in or was named in a decision. */
export const subjectTable = pgTable('subject', {
  id: text('id').primaryKey(),
  kind: text('kind').$type<'person' | 'workload'>().notNull(),
  isDisabled: boolean('is_disabled').notNull().default(false),
  disabledAt: instant('disabled_at'),
  disabledReason: text('disabled_reason'),
  providerIssuer: text('provider_issuer'),
  providerSubject: text('provider_subject'),
  claimGroups: text('claim_groups').array().notNull().default(sql`'{}'`),
  claimsAt: instant('claims_at'),
  lastSignInAt: instant('last_sign_in_at'),
  createdAt: instant('created_at').notNull(),
})

/** Server-side sessions; only the hash of the token is kept. */
export const sessionTable = pgTable('session', {
  id: text('id').primaryKey(),
  secretHash: bytea('secret_hash').notNull(),
  subject: text('subject').notNull(),
  via: text('via').$type<'api' | 'cli' | 'browser' | 'client_credentials' | 'device'>().notNull(),
  authenticatedBy: text('authenticated_by').notNull(),
  createdAt: instant('created_at').notNull(),
  lastSeenAt: instant('last_seen_at').notNull(),
  expiresAt: instant('expires_at').notNull(),
  endedAt: instant('ended_at'),
  clientAddress: text('client_address'),
  userAgent: text('user_agent'),
})

/** Secrets of resources, and of workloads without a key of their own. */
export const clientCredentialTable = pgTable('client_credential', {
  clientId: text('client_id').primaryKey(),
  ownerKind: text('owner_kind').$type<'resource' | 'workload'>().notNull(),
  ownerName: text('owner_name').notNull(),
  secretHash: bytea('secret_hash').notNull(),
  createdAt: instant('created_at').notNull(),
  createdBy: text('created_by').notNull(),
  lastUsedAt: instant('last_used_at'),
  deletedAt: instant('deleted_at'),
})

/** The `jti` of every client assertion that was accepted, until it could not be accepted again anyway. */
export const clientAssertionTable = pgTable(
  'client_assertion',
  {
    clientId: text('client_id').notNull(),
    jtiHash: bytea('jti_hash').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.clientId, table.jtiHash] })],
)

/** A browser on its way to the identity provider and back. */
export const signInTable = pgTable('sign_in', {
  stateHash: bytea('state_hash').primaryKey(),
  browserHash: bytea('browser_hash').notNull(),
  returnTo: text('return_to').notNull(),
  createdAt: instant('created_at').notNull(),
  expiresAt: instant('expires_at').notNull(),
  usedAt: instant('used_at'),
})

/** Authorization codes of `/oauth/authorize`. */
export const authorizationCodeTable = pgTable('authorization_code', {
  codeHash: bytea('code_hash').primaryKey(),
  clientId: text('client_id').notNull(),
  redirectUri: text('redirect_uri').notNull(),
  codeChallenge: text('code_challenge').notNull(),
  subject: text('subject').notNull(),
  authenticatedBy: text('authenticated_by').notNull(),
  createdAt: instant('created_at').notNull(),
  expiresAt: instant('expires_at').notNull(),
  usedAt: instant('used_at'),
  sessionId: text('session_id'),
})
