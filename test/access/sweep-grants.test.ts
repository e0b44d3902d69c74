import { sql } from 'drizzle-orm'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { changeGrant } from '../../src/access/change-grant.ts'
import { dueGrants } from '../../src/access/expire-grants.ts'
import {
  announceEndingGrants,
  expireGrants,
  isActive,
  lockGrant,
  startGrants,
} from '../../src/access/index.ts'
import { nextBatch, sweepBatchSize } from '../../src/access/sweep-grants.ts'
import { type GrantFixture, useGrantFixture } from './grant-fixture.ts'

const use = useGrantFixture()

/** Many grants by SQL: `ends` seconds from now, spread over that many. */
async function insertMany(
  fixture: GrantFixture,
  many: { prefix: string; count: number; firstEndIn: number; state?: string },
): Promise<void> {
  const { services, clock } = fixture.test
  const now = clock.now().toISOString()
  await fixture.insertRequest({ subject: 'alice@example.com' })
  await services.database.transaction(async ({ db }) => {
    await db.execute(sql`insert into access_request (id, state, subject, resource, role,
        requested_scopes, scopes, requested_duration_seconds, duration_seconds, justification,
        policy, catalog_version, seats, created_at, created_via, answer_by, decided_at)
      select 'req_' || ${many.prefix} || n, 'approved', 'alice@example.com', 'billing-api',
        'billing-operator', '{invoices:read}', '{invoices:read}', 60, 60, 'bulk',
        'billing-operate', 1, '[]', ${now}, 'api', ${now}, ${now}
      from generate_series(1, ${many.count}::int) n`)
    await db.execute(sql`insert into access_grant (id, request_id, subject, resource, audience,
        role, scopes, policy, catalog_version, state, token_lifetime_seconds, starts_at, ends_at,
        ended_at, created_at)
      select 'grt_' || ${many.prefix} || n, 'req_' || ${many.prefix} || n, 'alice@example.com',
        'billing-api', 'https://billing.example.com', 'billing-operator', '{invoices:read}',
        'billing-operate', 1, ${many.state ?? 'active'}, 600,
        ${now}::timestamptz - interval '1 day',
        ${now}::timestamptz + (${many.firstEndIn}::int + n) * interval '1 second',
        case when ${many.state ?? 'active'} = 'expired' then ${now}::timestamptz end, ${now}
      from generate_series(1, ${many.count}::int) n`)
  })
}

describe('expiring grants', () => {
  it('stores the end of each that is due, at its own time, and tells it; no revocation', async () => {
    const fixture = use()
    const job = fixture.test.asJob('expire-grants')
    const due = [
      await fixture.insertGrant({ endsIn: 10 }),
      await fixture.insertGrant({ state: 'suspended', endsIn: 20 }),
      await fixture.insertGrant({ state: 'scheduled', startsIn: 5, endsIn: 15 }),
    ]
    const notDue = await fixture.insertGrant({ endsIn: 21 })
    const [held] = due
    if (held === undefined) throw new Error('no grant')
    await fixture.mint(held, 10)
    fixture.test.clock.advance(20)
    await fixture.takeNotified()
    expect(await expireGrants(job)).toEqual({ expiredCount: 3 })
    for (const grant of due) {
      expect(await fixture.stored(grant.id)).toMatchObject({
        state: 'expired',
        endedAt: grant.endsAt,
        endedBy: null,
        endReason: null,
      })
      expect(await fixture.eventTypesOf(grant.requestId)).toEqual(['grant.expired'])
      expect(await fixture.auditOf('grant_id', grant.id)).toMatchObject([
        { action: 'expire-grants', outcome: 'ok' },
      ])
      expect(await fixture.revocationsOf(grant.id)).toEqual([])
    }
    expect(await fixture.takeNotified()).toEqual([])
    expect((await fixture.stored(notDue.id)).state).toBe('active')
    expect(await expireGrants(job)).toEqual({ expiredCount: 0 })
  })

  it('is not what ends a grant: with no job it is over at its second', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant({ endsIn: 10 })
    fixture.test.clock.advance(9.999)
    await fixture.mint(grant, 0.001)
    fixture.test.clock.advance(0.001)
    await expect(fixture.mint(grant)).rejects.toMatchObject({ code: 'grant_ended' })
    const stored = await fixture.stored(grant.id)
    expect(stored.state).toBe('active')
    expect(isActive(stored, fixture.test.clock.now())).toBe(false)
    await expireGrants(fixture.test.asJob('expire-grants'))
  })

  it('skips a grant that somebody holds and takes it the next time', async () => {
    const fixture = use()
    const job = fixture.test.asJob('expire-grants')
    const grant = await fixture.insertGrant({ endsIn: 1 })
    fixture.test.clock.advance(1)
    await fixture.test.services.database.transaction(async (tx) => {
      await lockGrant(tx, grant.id)
      expect(await expireGrants(job)).toEqual({ expiredCount: 0 })
    })
    expect(await expireGrants(job)).toEqual({ expiredCount: 1 })
  })

  it('leaves one that was extended while it waited', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant({ endsIn: 1 })
    fixture.test.clock.advance(1)
    const endsAt = fixture.seconds(600)
    await fixture.test.services.database.transaction(async (tx) => {
      await changeGrant(tx, await lockGrant(tx, grant.id), { endsAt })
    })
    await expireGrants(fixture.test.asJob('expire-grants'))
    expect((await fixture.stored(grant.id)).state).toBe('active')
  })

  it('ends each once when four replicas sweep at once, over several batches', async () => {
    const fixture = use()
    const dueCount = 2 * sweepBatchSize + 50
    await insertMany(fixture, { prefix: 'many', count: dueCount, firstEndIn: -dueCount - 1 })
    const job = fixture.test.asJob('expire-grants')
    const results = await Promise.all(Array.from({ length: 4 }, () => expireGrants(job)))
    expect(results.reduce((sum, { expiredCount }) => sum + expiredCount, 0)).toBe(dueCount)
    const { rows } = await fixture.test.services.database.read((db) =>
      db.execute<{ count: number }>(
        sql`select count(*)::int as count from outbox_event
            where type = 'grant.expired' and order_key like 'req_many%'`,
      ),
    )
    expect(rows[0]?.count).toBe(dueCount)
  })

  it('reads only the due ones among many: one index scan with a limit', async () => {
    const fixture = use()
    await insertMany(fixture, { prefix: 'later', count: 20_000, firstEndIn: 10_000 })
    await insertMany(fixture, {
      prefix: 'past',
      count: 20_000,
      firstEndIn: -50_000,
      state: 'expired',
    })
    await insertMany(fixture, { prefix: 'due', count: 20, firstEndIn: -30 })
    await analyze(fixture)
    const due = dueGrants(fixture.test.clock.now())
    const { rows } = await fixture.test.services.database.read((db) =>
      db.execute<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
        sql`explain (analyze, format json) ${nextBatch(db, due).getSQL()}`,
      ),
    )
    const plan = rows[0]?.['QUERY PLAN'][0]?.Plan
    const scans = plan === undefined ? [] : leavesOf(plan)
    expect(scans.map((scan) => [scan['Node Type'], scan['Index Name']])).toEqual([
      ['Index Scan', 'access_grant_ends'],
    ])
    expect(scans[0]?.['Actual Rows']).toBe(20)
    expect(scans[0]?.['Rows Removed by Filter'] ?? 0).toBe(0)
  })

  it('is refused to people, and to a replica whose clock is off', async () => {
    const fixture = use()
    const { asPerson, asJob } = fixture.test
    for (const sweep of [expireGrants, startGrants, announceEndingGrants]) {
      await expect(sweep(asPerson('sam@example.com'))).rejects.toMatchObject({
        code: 'not_permitted',
      })
      const off = {
        ...asJob('expire-grants'),
        clockMonitor: { isTrusted: () => false, skewSeconds: () => 7200 },
      }
      await expect(sweep(off)).rejects.toMatchObject({ code: 'cannot_decide' })
    }
  })
})

async function analyze(fixture: GrantFixture): Promise<void> {
  const owner = new pg.Client(fixture.test.database.ownerConnection)
  await owner.connect()
  await owner.query('analyze access_grant')
  await owner.end()
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

function leavesOf(node: PlanNode): readonly PlanNode[] {
  return node.Plans === undefined ? [node] : node.Plans.flatMap(leavesOf)
}

describe('starting scheduled grants', () => {
  it('stores and tells the start, once, of those that have begun and are not over', async () => {
    const fixture = use()
    const job = fixture.test.asJob('start-grants')
    const due = await fixture.insertGrant({ state: 'scheduled', startsIn: 10, endsIn: 100 })
    const later = await fixture.insertGrant({ state: 'scheduled', startsIn: 11, endsIn: 100 })
    const over = await fixture.insertGrant({ state: 'scheduled', startsIn: 1, endsIn: 10 })
    fixture.test.clock.advance(10)
    expect(await startGrants(job)).toEqual({ startedCount: 1 })
    expect(await startGrants(job)).toEqual({ startedCount: 0 })
    expect(await fixture.stored(due.id)).toMatchObject({ state: 'active', endsAt: due.endsAt })
    expect(await fixture.eventTypesOf(due.requestId)).toEqual(['grant.started'])
    expect(await fixture.auditOf('grant_id', due.id)).toMatchObject([{ action: 'start-grants' }])
    expect((await fixture.stored(later.id)).state).toBe('scheduled')
    expect((await fixture.stored(over.id)).state).toBe('scheduled')
  })
})

describe('announcing the end of grants', () => {
  it('tells it from ten minutes before, once for each end', async () => {
    const fixture = use()
    const job = fixture.test.asJob('announce-ending-grants')
    await announceEndingGrants(job)
    const grant = await fixture.insertGrant({ endsIn: 601 })
    expect(await announceEndingGrants(job)).toEqual({ announcedCount: 0 })
    fixture.test.clock.advance(1)
    expect(await announceEndingGrants(job)).toEqual({ announcedCount: 1 })
    expect(await announceEndingGrants(job)).toEqual({ announcedCount: 0 })
    await fixture.test.services.database.transaction(async (tx) => {
      await changeGrant(tx, await lockGrant(tx, grant.id), { endsAt: fixture.seconds(1200) })
    })
    expect(await announceEndingGrants(job)).toEqual({ announcedCount: 0 })
    fixture.test.clock.advance(600)
    expect(await announceEndingGrants(job)).toEqual({ announcedCount: 1 })
    const events = await fixture.eventsOf(grant.requestId)
    expect(events.map(({ type }) => type)).toEqual(['grant.ending', 'grant.ending'])
    expect(events.map(({ data }) => data.ends_at)).toEqual([
      grant.endsAt.toISOString(),
      fixture.seconds(600).toISOString(),
    ])
  })

  it('says nothing of one that is suspended, scheduled or over', async () => {
    const fixture = use()
    const job = fixture.test.asJob('announce-ending-grants')
    await fixture.insertGrant({ state: 'suspended', endsIn: 300 })
    await fixture.insertGrant({ state: 'scheduled', startsIn: 100, endsIn: 300 })
    await fixture.insertGrant({ state: 'released', endsIn: 300 })
    const past = await fixture.insertGrant({ endsIn: 1 })
    fixture.test.clock.advance(1)
    await announceEndingGrants(job)
    expect(await fixture.eventTypesOf(past.requestId)).toEqual([])
    expect(await announceEndingGrants(job)).toEqual({ announcedCount: 0 })
  })
})
