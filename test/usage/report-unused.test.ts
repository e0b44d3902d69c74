import { asc, sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { unusedPermissionReportTable } from '../../src/database/schema/usage.ts'
import { weekOf } from '../../src/usage/holder-report.ts'
import { keepPermission, reportUnused } from '../../src/usage/index.ts'
import { useTestServices } from '../support/context.ts'
import { openGrant, prepare } from '../tokens/grants.ts'
import { record } from './recording.ts'

const test = await useTestServices()
const { database } = test.services
const job = test.asJob('report-unused')
const day = 86_400

beforeAll(() => prepare(test))
beforeEach(async () => {
  await database.read((db) =>
    db.execute(
      `delete from grant_usage; delete from grant_scope_usage; delete from resource_evidence;
       delete from unused_permission_report; delete from kept_permission;
       delete from outbox_delivery; delete from outbox_event`,
    ),
  )
  await database.transaction(async (tx) => {
    await tx.db.execute('update access_request set grant_id = null, extends_grant_id = null')
    await tx.db.execute('delete from access_grant')
  })
  test.clock.set('2026-03-02T06:00:00.000Z')
})

interface ReportEvent extends Record<string, unknown> {
  readonly order_key: string
  readonly data: {
    readonly items: readonly Record<string, unknown>[]
    readonly [name: string]: unknown
  }
}

async function events(): Promise<readonly ReportEvent[]> {
  const { rows } = await database.read((db) =>
    db.execute<ReportEvent>(
      "select order_key, data from outbox_event where type = 'report.unused' order by sequence",
    ),
  )
  return rows
}

const reports = () =>
  database.read((db) =>
    db
      .select()
      .from(unusedPermissionReportTable)
      .orderBy(asc(unusedPermissionReportTable.week), asc(unusedPermissionReportTable.subject)),
  )

/** Alice uses one of two scopes, Dana none, the bot all it has. */
async function oneWeek(): Promise<void> {
  const alices = await openGrant(test)
  await openGrant(test, { subject: 'dana@example.com' })
  const bots = await openGrant(test, {
    subject: 'workload:invoice-bot',
    role: 'billing-reader',
    scopes: ['invoices:read'],
  })
  const at = test.clock.now()
  await record(
    test,
    { grantId: alices, scope: 'invoices:read', at },
    { grantId: bots, scope: 'invoices:read', at },
  )
  test.clock.advance(60)
}

describe('the weekly report', () => {
  it('is written and told once to every holder with anything not used', async () => {
    await oneWeek()
    expect(await reportUnused(job)).toEqual({ week: '2026-03-02', reportCount: 2, eventCount: 2 })
    const generatedAt = test.clock.now()
    expect(await reports()).toMatchObject([
      {
        week: '2026-03-02',
        subject: 'alice@example.com',
        generatedAt,
        windowDays: 90,
        items: [
          {
            subject: 'alice@example.com',
            resource: 'billing-api',
            role: 'billing-operator',
            granted_scopes: ['invoices:read', 'invoices:write'],
            used_scopes: ['invoices:read'],
            unused_scopes: ['invoices:write'],
            status: 'partly_used',
            suggestion: { role: 'billing-reader', scopes: ['invoices:read'] },
            kept_until: null,
          },
        ],
      },
      { subject: 'dana@example.com', items: [{ status: 'unused' }] },
    ])
    const told = await events()
    expect(told.map(({ order_key, data }) => [order_key, data.subject])).toEqual([
      ['alice@example.com', 'alice@example.com'],
      ['dana@example.com', 'dana@example.com'],
    ])
    expect(told[0]?.data).toMatchObject({
      week: '2026-03-02',
      window_days: 90,
      generated_at: generatedAt.toISOString(),
      item_count: 1,
      items: [{ role: 'billing-operator', status: 'partly_used' }],
    })
    expect(told[0]?.data.items[0]).not.toHaveProperty('kept_until')
  })

  it('is not repeated in its week, and comes again in the next', async () => {
    await oneWeek()
    await reportUnused(job)
    test.clock.advance(6 * day)
    expect(await reportUnused(job)).toMatchObject({ reportCount: 0, eventCount: 0 })
    test.clock.advance(day)
    expect(await reportUnused(job)).toMatchObject({ week: '2026-03-09', eventCount: 2 })
    expect(await events()).toHaveLength(4)
  })

  it('is told once by eight replicas at once', async () => {
    for (let n = 0; n < 30; n += 1) await openGrant(test, { subject: `person-${n}@example.com` })
    test.clock.advance(60)
    const runs = await Promise.all(Array.from({ length: 8 }, () => reportUnused(job)))
    const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0)
    expect(sum(runs.map(({ reportCount }) => reportCount))).toBe(30)
    expect(sum(runs.map(({ eventCount }) => eventCount))).toBe(30)
    expect(new Set((await events()).map(({ order_key }) => order_key)).size).toBe(30)
  })

  it('is completed by the next attempt when one broke off', async () => {
    await oneWeek()
    await reportUnused(job)
    // as if the attempt had ended before Dana's turn
    await database.read((db) =>
      db.execute(
        `delete from unused_permission_report where subject = 'dana@example.com';
         delete from outbox_event where order_key = 'dana@example.com'`,
      ),
    )
    expect(await reportUnused(job)).toMatchObject({ reportCount: 1, eventCount: 1 })
    expect((await events()).map(({ order_key }) => order_key)).toEqual([
      'alice@example.com',
      'dana@example.com',
    ])
  })

  it('goes through all holders, however many there are', async () => {
    await openGrant(test)
    await database.transaction(async (tx) => {
      await tx.db.execute(sql`insert into subject (id, kind, created_at)
        select 'many-' || n || '@example.com', 'person', now() from generate_series(1, 450) n`)
      await tx.db.execute(sql`with request as (
          insert into access_request (id, state, subject, resource, role, requested_scopes, scopes,
            requested_duration_seconds, duration_seconds, justification, policy, catalog_version, seats,
            created_at, created_via, answer_by, decided_at)
          select 'req_many_' || n, state, 'many-' || n || '@example.com', resource, role, requested_scopes,
            scopes, 60, 60, justification, policy, catalog_version, seats, created_at, created_via, answer_by,
            decided_at
          from (select * from access_request limit 1) r, generate_series(1, 450) n
          returning id, subject)
        insert into access_grant (id, request_id, subject, resource, audience, role, scopes, policy,
          catalog_version, state, token_lifetime_seconds, starts_at, ends_at, created_at)
        select g.id || r.id, r.id, r.subject, resource, audience, role, scopes, policy, catalog_version,
          state, token_lifetime_seconds, starts_at, ends_at, created_at
        from access_grant g, request r`)
    })
    test.clock.advance(60)
    expect(await reportUnused(job)).toMatchObject({ reportCount: 451, eventCount: 451 })
  })

  it('leaves out of the telling what its holder keeps, until that is over', async () => {
    await oneWeek()
    const dana = test.asPerson('dana@example.com')
    const until = new Date('2026-03-08T00:00:00.000Z')
    await keepPermission(dana, { role: 'billing-operator', reason: 'on call', until })
    expect(await reportUnused(job)).toMatchObject({ reportCount: 2, eventCount: 1 })
    expect((await events()).map(({ order_key }) => order_key)).toEqual(['alice@example.com'])
    expect((await reports())[1]).toMatchObject({
      subject: 'dana@example.com',
      items: [{ role: 'billing-operator', kept_until: until.toISOString() }],
    })
    test.clock.advance(7 * day)
    expect(await reportUnused(job)).toMatchObject({ eventCount: 2 })
  })

  it('is kept for twelve weeks', async () => {
    await oneWeek()
    await reportUnused(job)
    test.clock.advance(84 * day)
    await openGrant(test)
    test.clock.advance(60)
    await reportUnused(job)
    const weeks = async () => [...new Set((await reports()).map(({ week }) => week))]
    expect(await weeks()).toEqual(['2026-03-02', '2026-05-25'])
    test.clock.advance(7 * day)
    await reportUnused(job)
    expect(await weeks()).toEqual(['2026-05-25', '2026-06-01'])
  })

  it('is written by jobs and operators alone, and by no clock that is not trusted', async () => {
    await expect(reportUnused(test.asPerson('sam@example.com'))).rejects.toMatchObject({
      code: 'not_permitted',
    })
    const clockMonitor = { isTrusted: () => false, skewSeconds: () => 5 }
    await expect(reportUnused({ ...job, clockMonitor })).rejects.toMatchObject({
      code: 'cannot_decide',
    })
    await expect(reportUnused(test.asOperator())).resolves.toMatchObject({ reportCount: 0 })
  })
})

describe('a week', () => {
  it.each([
    ['2026-03-01T23:59:59.999Z', '2026-02-23'],
    ['2026-03-02T00:00:00.000Z', '2026-03-02'],
    // a clock may be a little behind the one that says it is six
    ['2026-03-02T05:59:58.000Z', '2026-03-02'],
    ['2026-03-08T23:59:59.999Z', '2026-03-02'],
    ['2027-01-01T12:00:00.000Z', '2026-12-28'],
    ['1969-12-31T00:00:00.000Z', '1969-12-29'],
  ])('of %s begins on Monday %s', (instant, monday) => {
    expect(weekOf(new Date(instant))).toBe(monday)
  })
})
