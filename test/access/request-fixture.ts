import { eq, sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll } from 'vitest'
import {
  type AskInput,
  type RequestView,
  type ReviewRequestInput,
  reviewRequest,
  submitRequest,
} from '../../src/access/index.ts'
import { applyCatalog } from '../../src/catalog/index.ts'
import type { ActorVia, OperationContext } from '../../src/context.ts'
import { accessRequestTable, reviewTable } from '../../src/database/schema/access.ts'
import { accessGrantTable } from '../../src/database/schema/grants.ts'
import { subjectTable } from '../../src/database/schema/identity.ts'
import { ensureSubject } from '../../src/identity/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'

/**
 * Alice and Dana ask; Bob and Carol lead payments, and so does a second account of Alice; Sam is security, and so
 * is a second account of Bob; Carol answers for the workload; Erin owns the resource; Frank is the admin.
 */
const companyText = `
version: 1
people:
  alice@example.com: [alice.admin@example.com]
  bob@example.com: [bob.admin@example.com]
groups:
  engineering: [alice@example.com, dana@example.com, bob@example.com]
  payments-leads: [bob@example.com, carol@example.com, alice.admin@example.com]
  security: [sam@example.com, bob.admin@example.com]
  bot-owners: [carol@example.com]
  oncall: [dana@example.com, 'claim:okta-oncall']
  auditors: ['claim:okta-auditors']
  owners: [erin@example.com]
  administrators: [frank@example.com]
admins: [administrators]
security_channel: C0SECURITY
workloads:
  invoice-bot: { owner: bot-owners }
resources:
  billing-api:
    title: Billing API
    audience: https://billing.example.com
    owner: owners
    sensitivity: high
    scopes: { invoices:read: Read, invoices:write: Write, payouts:write: Pay }
roles:
  reader: { resource: billing-api, scopes: [invoices:read] }
  operator: { resource: billing-api, scopes: [invoices:read, invoices:write] }
  payer: { resource: billing-api, scopes: [invoices:read, payouts:write] }
  pair: { resource: billing-api, scopes: [payouts:write] }
  audited: { resource: billing-api, scopes: [invoices:read] }
  vaulted: { resource: billing-api, scopes: [invoices:read] }
policies:
  - name: read
    roles: [reader]
    requesters: [engineering, 'workload:invoice-bot']
    max_duration: 8h
    approval: none
  - name: operate
    roles: [operator]
    requesters: [engineering, 'workload:invoice-bot']
    max_duration: 4h
    answer_within: 2h
    justification: { min_length: 10, ticket: '^INC-[0-9]+$' }
    auto_approve: '"oncall" in subject.groups && request.duration <= duration("30m")'
    approval: [{ from: [payments-leads], count: 1 }]
  - name: pay
    roles: [payer]
    requesters: [engineering]
    max_duration: 4h
    approval: [{ from: [payments-leads], count: 1 }, { from: [security], count: 1 }]
  - name: pay-in-pairs
    roles: [pair]
    requesters: [engineering]
    max_duration: 4h
    approval: [{ from: [payments-leads, security], count: 2 }]
  - name: audit
    roles: [audited]
    requesters: [engineering]
    max_duration: 4h
    approval: [{ from: [auditors], count: 1 }]
  - name: vault
    roles: [vaulted]
    requesters: [engineering]
    max_duration: 4h
    approve_in: browser
    approval: [{ from: [payments-leads], count: 1 }]
  - name: emergency
    roles: [operator]
    requesters: [engineering]
    max_duration: 30m
    break_glass: { review_within: 24h }
    approval: [{ from: [security], count: 1 }]
`

const startOfTest = new Date('2026-03-02T09:00:00.000Z')

/** An ask that policy `operate` leaves to its reviewers. */
export const operatorAsk: AskInput = {
  role: 'operator',
  durationSeconds: 3600,
  justification: 'void a duplicate invoice',
  ticket: 'INC-42',
}

export interface StoredEvent {
  readonly type: string
  readonly data: Record<string, unknown>
}

/** Services on a database of the file's own, under the company above. */
export class RequestFixture {
  readonly test: TestServices

  constructor(test: TestServices) {
    this.test = test
  }

  person(name: string, via: ActorVia = 'api'): OperationContext {
    return this.test.asPerson(`${name}@example.com`, via)
  }

  async ask(name: string, changes: Partial<AskInput> = {}): Promise<RequestView> {
    const { request } = await submitRequest(this.person(name), { ...operatorAsk, ...changes })
    return request
  }

  async approve(
    name: string,
    requestId: string,
    changes: Partial<ReviewRequestInput> = {},
  ): Promise<RequestView> {
    return reviewRequest(this.person(name), { requestId, verdict: 'approve', ...changes })
  }

  async deny(name: string, requestId: string): Promise<RequestView> {
    return reviewRequest(this.person(name), { requestId, verdict: 'deny' })
  }

  /** Puts the company with some text replaced in force; `restore` brings it back. */
  async changeCompany(...replacements: [before: string, after: string][]): Promise<void> {
    let content = companyText
    for (const [before, after] of replacements) {
      if (!content.includes(before)) throw new Error(`the company has no ${before}`)
      content = content.replaceAll(before, after)
    }
    await applyCatalog(this.test.asOperator(), { content, isForced: true })
  }

  async restore(): Promise<void> {
    await applyCatalog(this.test.asOperator(), { content: companyText, isForced: true })
  }

  /** Puts somebody into the provider's groups, as a sign-in so long ago did. */
  async signedIn(name: string, claimGroups: string[], hoursAgo = 0): Promise<void> {
    const { services, clock } = this.test
    const id = `${name}@example.com`
    const claimsAt = new Date(clock.now().getTime() - hoursAgo * 3_600_000)
    await services.database.transaction(async (tx) => {
      await ensureSubject(tx, services, id)
      await tx.db.update(subjectTable).set({ claimGroups, claimsAt }).where(eq(subjectTable.id, id))
    })
  }

  async setDisabled(name: string, isDisabled: boolean): Promise<void> {
    const { services, clock } = this.test
    const id = `${name}@example.com`
    await services.database.transaction(async (tx) => {
      await ensureSubject(tx, services, id)
      const disabledAt = isDisabled ? clock.now() : null
      await tx.db
        .update(subjectTable)
        .set({ isDisabled, disabledAt })
        .where(eq(subjectTable.id, id))
    })
  }

  async stored(requestId: string) {
    const rows = await this.test.services.database.read((db) =>
      db.select().from(accessRequestTable).where(eq(accessRequestTable.id, requestId)),
    )
    const [row] = rows
    if (row === undefined) throw new Error('the request is gone')
    return row
  }

  async grantsOf(requestId: string) {
    return this.test.services.database.read((db) =>
      db.select().from(accessGrantTable).where(eq(accessGrantTable.requestId, requestId)),
    )
  }

  async reviewsOf(requestId: string) {
    return this.test.services.database.read((db) =>
      db.select().from(reviewTable).where(eq(reviewTable.requestId, requestId)),
    )
  }

  async countRequests(): Promise<number> {
    const { rows } = await this.test.services.database.read((db) =>
      db.execute<{ count: number }>(sql`select count(*)::int as count from access_request`),
    )
    return rows[0]?.count ?? 0
  }

  async eventsOf(orderKey: string): Promise<StoredEvent[]> {
    const { rows } = await this.test.services.database.read((db) =>
      db.execute<{ type: string; data: Record<string, unknown> }>(
        sql`select type, data from outbox_event where order_key = ${orderKey} order by sequence`,
      ),
    )
    return rows
  }

  async eventsOfType(type: string): Promise<StoredEvent[]> {
    const { rows } = await this.test.services.database.read((db) =>
      db.execute<{ type: string; data: Record<string, unknown> }>(
        sql`select type, data from outbox_event where type = ${type} order by sequence`,
      ),
    )
    return rows
  }

  async eventTypesOf(orderKey: string): Promise<string[]> {
    return (await this.eventsOf(orderKey)).map(({ type }) => type)
  }

  /** The newest entries of the audit log, oldest first. */
  async lastAudit(count: number) {
    const { rows } = await this.test.services.database.read((db) =>
      db.execute<{
        action: string
        outcome: string
        code: string | null
        subject: string | null
        request_id: string | null
        grant_id: string | null
        details: Record<string, unknown>
      }>(sql`select action, outcome, code, subject, request_id, grant_id, details from
        (select *, xmin::text::bigint as transaction from audit_entry
         order by xmin::text::bigint desc limit ${count}) newest order by transaction`),
    )
    return rows
  }

  /** Leaves nothing that would stand in the next test's way. */
  async settle(): Promise<void> {
    const { services } = this.test
    await services.database.transaction(async (tx) => {
      await tx.db.execute(sql`update access_request set state = 'cancelled', decided_at = created_at
        where state = 'pending'`)
      await tx.db.execute(
        sql`update access_request set after_review = 'accepted' where after_review = 'open'`,
      )
      await tx.db.execute(sql`update subject set is_disabled = false, disabled_at = null,
        claim_groups = '{}', claims_at = null`)
      await tx.db.execute(sql`delete from revocation`)
    })
    await this.restore()
  }
}

/** A fixture for the file's tests, settled after each and closed after all. */
export function useRequestFixture(): () => RequestFixture {
  let fixture: RequestFixture | undefined
  beforeAll(async () => {
    fixture = new RequestFixture(await createTestServices({ startAt: startOfTest }))
    await fixture.restore()
  })
  afterEach(() => fixture?.settle())
  afterAll(() => fixture?.test.close())
  return () => {
    if (fixture === undefined) throw new Error('the fixture is used before its tests')
    return fixture
  }
}
