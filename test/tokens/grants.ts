import { sql } from 'drizzle-orm'
import { applyCatalog } from '../../src/catalog/index.ts'
import { accessRequestTable } from '../../src/database/schema/access.ts'
import { accessGrantTable } from '../../src/database/schema/grants.ts'
import { ensureSubject } from '../../src/identity/index.ts'
import { ensureSigningKeys } from '../../src/tokens/index.ts'
import type { TestServices } from '../support/context.ts'

export const billing = 'billing-api'
export const billingAudience = 'https://billing.example.com'

/** A company with two APIs, two people and two workloads. */
export const catalogText = `
version: 1
groups:
  engineering: [alice@example.com, dana@example.com]
  payments-leads: [bob@example.com]
  security: [sam@example.com]
admins: [security]
workloads:
  invoice-bot: { owner: engineering }
  other-bot: { owner: engineering }
resources:
  billing-api:
    title: Billing API
    audience: ${billingAudience}
    owner: payments-leads
    sensitivity: high
    scopes: { 'invoices:read': Read, 'invoices:write': Write, 'payouts:write': Pay }
  stock-api:
    title: Stock API
    audience: https://stock.example.com
    owner: payments-leads
    sensitivity: low
    scopes: { 'stock:read': Read }
roles:
  billing-reader: { resource: billing-api, scopes: ['invoices:read'] }
  billing-operator: { resource: billing-api, scopes: ['invoices:read', 'invoices:write'] }
  stock-reader: { resource: stock-api, scopes: ['stock:read'] }
policies:
  - name: read
    roles: [billing-reader, stock-reader]
    requesters: [engineering, 'workload:invoice-bot', 'workload:other-bot']
    max_duration: 8h
    approval: none
  - name: operate
    roles: [billing-operator]
    requesters: [engineering, 'workload:invoice-bot']
    max_duration: 4h
    token_lifetime: 5m
    approval: [{ from: [payments-leads], count: 1 }]
  - name: emergency
    roles: [billing-operator]
    requesters: [payments-leads]
    max_duration: 30m
    break_glass: { review_within: 24h }
    approval: [{ from: [security], count: 1 }]
`

/** Puts a catalog in force; the default is the company above. */
export async function apply(test: TestServices, content = catalogText): Promise<number> {
  const { version } = await applyCatalog(test.asOperator(), { content, isForced: true })
  return version
}

/** Keys and the company's catalog. */
export async function prepare(test: TestServices): Promise<void> {
  await ensureSigningKeys(test.asJob('start'))
  await apply(test)
}

export interface OpenGrant {
  readonly subject?: string
  readonly resource?: string
  readonly audience?: string
  readonly role?: string
  readonly scopes?: string[]
  readonly policy?: string
  readonly state?: 'scheduled' | 'active' | 'suspended'
  readonly isBreakGlass?: boolean
  readonly startsInSeconds?: number
  readonly endsInSeconds?: number
  readonly tokenLifetimeSeconds?: number
}

/** Opens a grant as an approved request does, and returns its id. */
export async function openGrant(test: TestServices, given: OpenGrant = {}): Promise<string> {
  const { ids, clock } = test.services
  const subject = given.subject ?? 'alice@example.com'
  const scopes = given.scopes ?? ['invoices:read', 'invoices:write']
  const [requestId, grantId] = [ids.next('req'), ids.next('grt')]
  const now = clock.now()
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000)
  const shared = {
    subject,
    resource: given.resource ?? billing,
    role: given.role ?? 'billing-operator',
    scopes,
    policy: given.policy ?? 'operate',
    catalogVersion: 1,
    isBreakGlass: given.isBreakGlass ?? false,
    startsAt: after(given.startsInSeconds ?? 0),
    createdAt: now,
  }
  await test.services.database.transaction(async (tx) => {
    await ensureSubject(tx, test.services, subject)
    await tx.db.insert(accessRequestTable).values({
      ...shared,
      id: requestId,
      state: 'approved',
      requestedScopes: scopes,
      requestedDurationSeconds: 3600,
      durationSeconds: 3600,
      justification: 'to void a duplicate invoice',
      seats: [],
      afterReview: shared.isBreakGlass ? 'accepted' : null,
      createdVia: 'api',
      answerBy: after(3600),
      decidedAt: now,
    })
    await tx.db.insert(accessGrantTable).values({
      ...shared,
      id: grantId,
      requestId,
      audience: given.audience ?? billingAudience,
      state: given.state ?? 'active',
      tokenLifetimeSeconds: given.tokenLifetimeSeconds ?? 300,
      endsAt: after(given.endsInSeconds ?? 3600),
    })
  })
  return grantId
}

export interface StoredEntry extends Record<string, unknown> {
  readonly outcome: 'ok' | 'refused'
  readonly code: string | null
  readonly actor_kind: string
  readonly actor_id: string
  readonly subject: string | null
  readonly grant_id: string | null
  readonly details: Record<string, unknown>
}

/** The audit entries of one operation, oldest first. */
export async function auditEntries(
  test: TestServices,
  action: string,
): Promise<readonly StoredEntry[]> {
  const { rows } = await test.services.database.read((db) =>
    db.execute<StoredEntry>(sql`select outcome, code, actor_kind, actor_id, subject, grant_id, details
      from audit_entry where action = ${action} order by at, ctid`),
  )
  return rows
}
