import { boolean, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })

/** One ask for a role, from its first word to its end. Moved only under its row lock. */
export const accessRequestTable = pgTable('access_request', {
  id: text('id').primaryKey(),
  state: text('state')
    .$type<'pending' | 'approved' | 'denied' | 'cancelled' | 'expired'>()
    .notNull(),
  subject: text('subject').notNull(),
  resource: text('resource').notNull(),
  role: text('role').notNull(),
  requestedScopes: text('requested_scopes').array().notNull(),
  scopes: text('scopes').array().notNull(),
  requestedDurationSeconds: integer('requested_duration_seconds').notNull(),
  durationSeconds: integer('duration_seconds').notNull(),
  justification: text('justification').notNull(),
  ticket: text('ticket'),
  startsAt: instant('starts_at'),
  policy: text('policy').notNull(),
  catalogVersion: integer('catalog_version').notNull(),
  /** The seats recorded at ask; `approved_by` is who was counted when a review last counted. */
  seats: jsonb('seats')
    .$type<{ from: string[]; count: number; approved_by?: string[] | undefined }[]>()
    .notNull(),
  isBreakGlass: boolean('is_break_glass').notNull().default(false),
  afterReview: text('after_review').$type<'open' | 'accepted' | 'rejected'>(),
  reviewBy: instant('review_by'),
  extendsGrantId: text('extends_grant_id'),
  grantId: text('grant_id'),
  version: integer('version').notNull().default(1),
  createdAt: instant('created_at').notNull(),
  createdVia: text('created_via').notNull(),
  answerBy: instant('answer_by').notNull(),
  decidedAt: instant('decided_at'),
})

/** What one person said to one request. Never changed. */
export const reviewTable = pgTable('review', {
  id: text('id').primaryKey(),
  requestId: text('request_id').notNull(),
  reviewer: text('reviewer').notNull(),
  /** The human behind the reviewer: two accounts of one person are one. */
  person: text('person').notNull(),
  verdict: text('verdict').$type<'approve' | 'deny'>().notNull(),
  comment: text('comment'),
  scopes: text('scopes').array(),
  durationSeconds: integer('duration_seconds'),
  via: text('via').notNull(),
  at: instant('at').notNull(),
})

/** What people say about a request beside their reviews. */
export const requestCommentTable = pgTable('request_comment', {
  id: text('id').primaryKey(),
  requestId: text('request_id').notNull(),
  author: text('author').notNull(),
  text: text('text').notNull(),
  via: text('via').notNull(),
  at: instant('at').notNull(),
})
