import { customType, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** Keys that access tokens are signed with; private parts are encrypted and go when the key is over. */
export const signingKeyTable = pgTable('signing_key', {
  kid: text('kid').primaryKey(),
  algorithm: text('algorithm').$type<'RS256' | 'ES256' | 'EdDSA'>().notNull(),
  state: text('state').$type<'next' | 'active' | 'retiring' | 'retired' | 'revoked'>().notNull(),
  publicJwk: jsonb('public_jwk').$type<Readonly<Record<string, unknown>>>().notNull(),
  privateSealed: bytea('private_sealed'),
  createdAt: instant('created_at').notNull(),
  publishedAt: instant('published_at').notNull(),
  activatedAt: instant('activated_at'),
  retiringAt: instant('retiring_at'),
  endedAt: instant('ended_at'),
})
