import { asc, eq, sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import type { Grant, GrantState } from '../../src/access/grant.ts'
import {
  lockGrant,
  lockResource,
  refuseRecentlyRevoked,
  requireMove,
  revocationChannel,
} from '../../src/access/index.ts'
import { applyCatalog } from '../../src/catalog/index.ts'
import { accessRequestTable } from '../../src/database/schema/access.ts'
import {
  accessGrantTable,
  issuedTokenTable,
  revocationTable,
} from '../../src/database/schema/grants.ts'
import { ensureSubject, lockSubject } from '../../src/identity/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'

/** Alice has two accounts; Bob and Carol lead payments and own the resource; Sam is the admin; Dana is nobody. */
const catalogText = `
version: 1
people:
  alice@example.com: [alice.admin@example.com]
groups:
  engineering: [alice@example.com, dana@example.com]
  payments-leads: [bob@example.com, carol@example.com]
  reviewers: [erin@example.com]
  security: [sam@example.com]
admins: [security]
workloads:
  invoice-bot: { owner: engineering }
resources:
  billing-api:
    title: Billing API
    audience: https://billing.example.com
    owner: payments-leads
    sensitivity: high
    scopes: { invoices:read: Read invoices, invoices:write: Write invoices }
  ledger-api:
    title: Ledger API
    audience: https://ledger.example.com
    owner: security
    sensitivity: low
    scopes: { ledger:read: Read the ledger }
roles:
  billing-operator: { resource: billing-api, scopes: [invoices:read, invoices:write] }
  ledger-reader: { resource: ledger-api, scopes: [ledger:read] }
policies:
  - name: billing-operate
    roles: [billing-operator]
    requesters: [engineering, payments-leads, 'workload:invoice-bot']
    max_duration: 4h
    approval: [{ from: [reviewers, payments-leads], count: 1 }]
  - name: ledger-read
    roles: [ledger-reader]
    requesters: [engineering]
    max_duration: 8h
    approval: none
`

const startOfTest = new Date('2026-03-02T09:00:00.000Z')

interface GrantFacts {
  readonly subject?: string
  readonly resource?: 'billing-api' | 'ledger-api'
  readonly state?: GrantState
  /** Seconds from now, by the test's clock. */
  readonly startsIn?: number
  readonly endsIn?: number
}

interface RequestFacts {
  readonly subject?: string
  readonly state?: 'pending' | 'approved'
  readonly extendsGrantId?: string
  readonly role?: string
  readonly answerIn?: number
}

/** Services on a database of the file's own, with grants and tokens put in by hand, as opening and minting do. */
export class GrantFixture {
  readonly test: TestServices
  readonly #listener: pg.Client
  readonly notified: string[] = []

  constructor(test: TestServices, listener: pg.Client) {
    this.test = test
    this.#listener = listener
    listener.on('notification', ({ payload }) => this.notified.push(payload ?? ''))
  }

  async close(): Promise<void> {
    await this.#listener.end()
    await this.test.close()
  }

  /** What was announced since the last time, once all that was sent has come in. */
  async takeNotified(): Promise<string[]> {
    await this.#listener.query('select 1')
    return this.notified.splice(0)
  }

  seconds(count: number): Date {
    return new Date(this.test.clock.now().getTime() + count * 1000)
  }

  async insertRequest(facts: RequestFacts = {}): Promise<string> {
    const { subject = 'alice@example.com', state = 'approved', role = 'billing-operator' } = facts
    const { services, clock } = this.test
    const id = services.ids.next('req')
    const now = clock.now()
    await services.database.transaction(async (tx) => {
      await ensureSubject(tx, services, subject)
      await tx.db.insert(accessRequestTable).values({
        id,
        state,
        subject,
        resource: role === 'ledger-reader' ? 'ledger-api' : 'billing-api',
        role,
        requestedScopes: ['invoices:read'],
        scopes: ['invoices:read'],
        requestedDurationSeconds: 3600,
        durationSeconds: 3600,
        justification: 'month end',
        policy: 'billing-operate',
        catalogVersion: 1,
        seats: [{ from: ['payments-leads'], count: 1 }],
        extendsGrantId: facts.extendsGrantId ?? null,
        createdAt: now,
        createdVia: 'api',
        answerBy: this.seconds(facts.answerIn ?? 7200),
        decidedAt: state === 'pending' ? null : now,
      })
    })
    return id
  }

  async insertGrant(facts: GrantFacts = {}): Promise<Grant> {
    const { subject = 'alice@example.com', resource = 'billing-api', state = 'active' } = facts
    const isLedger = resource === 'ledger-api'
    const role = isLedger ? 'ledger-reader' : 'billing-operator'
    const requestId = await this.insertRequest({ subject, role })
    const { services } = this.test
    const endsAt = this.seconds(facts.endsIn ?? 3600)
    const isOver = state === 'revoked' || state === 'released' || state === 'expired'
    const [grant] = await services.database.read((db) =>
      db
        .insert(accessGrantTable)
        .values({
          id: services.ids.next('grt'),
          requestId,
          subject,
          resource,
          audience: isLedger ? 'https://ledger.example.com' : 'https://billing.example.com',
          role,
          scopes: isLedger ? ['ledger:read'] : ['invoices:read'],
          policy: isLedger ? 'ledger-read' : 'billing-operate',
          catalogVersion: 1,
          state,
          tokenLifetimeSeconds: 600,
          startsAt: this.seconds(facts.startsIn ?? 0),
          endsAt,
          endedAt: isOver ? services.clock.now() : null,
          createdAt: services.clock.now(),
        })
        .returning(),
    )
    if (grant === undefined) throw new Error('no grant was inserted')
    return grant
  }

  /** Mints as the tokens room does: the same locks in the same order, the same refusals. */
  async mint(grant: Grant, lifetimeSeconds = 600): Promise<{ jti: string; expiresAt: Date }> {
    const { services, clock } = this.test
    return services.database.transaction(async (tx) => {
      const { isDisabled } = await lockSubject(tx, grant.subject, 'share')
      if (isDisabled) throw new Error('disabled')
      await lockResource(tx, grant.resource, 'share')
      const now = clock.now()
      await refuseRecentlyRevoked(tx, grant.subject, grant.resource, now)
      requireMove(await lockGrant(tx, grant.id), 'mint', now)
      const jti = services.ids.next('jti')
      const expiresAt = this.seconds(lifetimeSeconds)
      await tx.db.insert(issuedTokenTable).values({
        jti,
        grantId: grant.id,
        subject: grant.subject,
        resource: grant.resource,
        clientId: 'hallpass',
        scopes: [...grant.scopes],
        kid: 'test',
        issuedAt: now,
        expiresAt,
      })
      return { jti, expiresAt }
    })
  }

  async stored(id: string): Promise<Grant> {
    const rows = await this.test.services.database.read((db) =>
      db.select().from(accessGrantTable).where(eq(accessGrantTable.id, id)),
    )
    const [grant] = rows
    if (grant === undefined) throw new Error('the grant is gone')
    return grant
  }

  async requestState(id: string): Promise<string | undefined> {
    const rows = await this.test.services.database.read((db) =>
      db.select().from(accessRequestTable).where(eq(accessRequestTable.id, id)),
    )
    return rows[0]?.state
  }

  async revocationsOf(target: string) {
    return this.test.services.database.read((db) =>
      db
        .select()
        .from(revocationTable)
        .where(eq(revocationTable.target, target))
        .orderBy(asc(revocationTable.id)),
    )
  }

  /** Whether any live revocation makes a verifier refuse this token. */
  async isRefused(grant: Grant, jti: string): Promise<boolean> {
    const { services, clock } = this.test
    const now = clock.now().toISOString()
    const { rows } = await services.database.read((db) =>
      db.execute(sql`select id from revocation where forget_at > ${now}::timestamptz
        and ((kind = 'grant' and target = ${grant.id}) or (kind = 'token' and target = ${jti})
          or (kind = 'subject' and target = ${grant.subject})
          or (kind = 'resource' and target = ${grant.resource}))`),
    )
    return rows.length > 0
  }

  async auditOf(
    column: 'grant_id' | 'subject' | 'resource',
    value: string,
  ): Promise<{ action: string; outcome: string; code: string | null; details: object }[]> {
    const { rows } = await this.test.services.database.read((db) =>
      db.execute<{ action: string; outcome: string; code: string | null; details: object }>(
        sql`select action, outcome, code, details from audit_entry
            where ${sql.identifier(column)} = ${value} order by at, ctid`,
      ),
    )
    return rows
  }

  async eventsOf(orderKey: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
    const { rows } = await this.test.services.database.read((db) =>
      db.execute<{ type: string; data: Record<string, unknown> }>(
        sql`select type, data from outbox_event where order_key = ${orderKey} order by sequence`,
      ),
    )
    return rows
  }

  async eventTypesOf(orderKey: string): Promise<string[]> {
    return (await this.eventsOf(orderKey)).map(({ type }) => type)
  }
}

/** A fixture for the file's tests, closed after them. */
export function useGrantFixture(): () => GrantFixture {
  let fixture: GrantFixture | undefined
  beforeAll(async () => {
    const test = await createTestServices({ startAt: startOfTest })
    const listener = new pg.Client(test.database.applicationConnection)
    await listener.connect()
    await listener.query(`listen ${revocationChannel}`)
    await applyCatalog(test.asOperator(), { content: catalogText })
    fixture = new GrantFixture(test, listener)
  })
  afterAll(() => fixture?.close())
  return () => {
    if (fixture === undefined) throw new Error('the fixture is used before its tests')
    return fixture
  }
}
