import { sql } from 'drizzle-orm'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { reportUnusedPermissions } from '../../src/usage/index.ts'
import { useTestServices } from '../support/context.ts'
import { type OpenGrant, openGrant, prepare } from '../tokens/grants.ts'
import { record } from './recording.ts'

const test = await useTestServices({ startAt: new Date('2026-03-02T09:00:00.000Z') })
const { database } = test.services
const alice = test.asPerson('alice@example.com')
const bob = test.asPerson('bob@example.com')
const dana = test.asPerson('dana@example.com')
const sam = test.asPerson('sam@example.com')
const hour = 3600
const now = () => test.clock.now()

beforeAll(() => prepare(test))
beforeEach(async () => {
  await database.read((db) =>
    db.execute(
      'delete from grant_usage; delete from grant_scope_usage; delete from resource_evidence',
    ),
  )
  // what was held before is out of every window
  test.clock.advance(400 * 24 * hour)
})

const stock = {
  resource: 'stock-api',
  audience: 'https://stock.example.com',
  role: 'stock-reader',
  scopes: ['stock:read'],
} satisfies OpenGrant

async function rowsFor(ctx = sam, filter = {}) {
  const { items } = await reportUnusedPermissions(ctx, filter)
  return items
}

const namesOf = async (...given: Parameters<typeof rowsFor>) =>
  (await rowsFor(...given)).map(({ subject, role }) => `${subject} ${role}`)

describe('a row', () => {
  it('tells what was granted, what was used and what would have done', async () => {
    const grantId = await openGrant(test, { endsInSeconds: 4 * hour })
    test.clock.advance(20 * 60)
    await record(test, { grantId, scope: 'invoices:read', at: now() })
    test.clock.advance(6 * hour)
    expect(await reportUnusedPermissions(sam, { windowDays: 7 })).toEqual({
      windowDays: 7,
      generatedAt: now(),
      items: [
        {
          subject: 'alice@example.com',
          resource: 'billing-api',
          role: 'billing-operator',
          grantedScopes: ['invoices:read', 'invoices:write'],
          usedScopes: ['invoices:read'],
          unusedScopes: ['invoices:write'],
          grantCount: 1,
          heldSeconds: 4 * hour,
          useCount: 0,
          lastUsedAt: new Date(now().getTime() - 6 * hour * 1000),
          status: 'partly_used',
          suggestion: { role: 'billing-reader', scopes: ['invoices:read'], durationSeconds: 1800 },
        },
      ],
    })
  })

  it('is unused where the resource told of others, and no_data where it told of nobody', async () => {
    await openGrant(test)
    await openGrant(test, stock)
    const used = await openGrant(test, { subject: 'dana@example.com' })
    await record(test, { grantId: used, scope: 'invoices:read', at: now() })
    test.clock.advance(60)
    const rows = await rowsFor(alice)
    expect(rows.map(({ role, status }) => [role, status])).toEqual([
      ['billing-operator', 'unused'],
      ['stock-reader', 'no_data'],
    ])
  })

  it('is no_data again when the resource last told before the window', async () => {
    const used = await openGrant(test, { subject: 'dana@example.com' })
    await record(test, { grantId: used, scope: 'invoices:read', at: now() })
    test.clock.advance(40 * 24 * hour)
    await openGrant(test)
    test.clock.advance(60)
    const statuses = async (windowDays: number) =>
      (await rowsFor(sam, { windowDays })).map(({ subject, status }) => [subject, status])
    expect(await statuses(30)).toEqual([['alice@example.com', 'no_data']])
    expect(await statuses(90)).toEqual([
      ['alice@example.com', 'unused'],
      ['dana@example.com', 'partly_used'],
    ])
  })

  it('that was only taken up, by minting, is not used', async () => {
    const grantId = await openGrant(test)
    const other = await openGrant(test, { subject: 'dana@example.com' })
    await record(test, { grantId: other, scope: 'invoices:read', at: now() })
    await database.read((db) =>
      db.execute(sql`insert into grant_usage (grant_id, first_minted_at, last_minted_at)
        values (${grantId}, ${now().toISOString()}, ${now().toISOString()})`),
    )
    test.clock.advance(60)
    const [row] = await rowsFor(alice)
    expect(row).toMatchObject({ status: 'unused', usedScopes: [], lastUsedAt: null })
  })

  it('of a grant that was used with no scope named is no_data, with its last use', async () => {
    const grantId = await openGrant(test)
    await record(test, { grantId, at: now() })
    const at = now()
    test.clock.advance(60)
    const [row] = await rowsFor(alice)
    expect(row).toMatchObject({ status: 'no_data', lastUsedAt: at, unusedScopes: [] })
  })

  it('counts reported events, which the broker’s own observations are not', async () => {
    const grantId = await openGrant(test)
    await record(test, { grantId, scope: 'invoices:read', at: now() })
    test.clock.advance(60)
    expect((await rowsFor(alice))[0]?.useCount).toBe(0)
    await database.read((db) =>
      db.execute(sql`update grant_usage set allowed_count = 17 where grant_id = ${grantId}`),
    )
    expect((await rowsFor(alice))[0]?.useCount).toBe(17)
  })

  it('ends when the grant was ended, and is not made of a grant that never began', async () => {
    const grantId = await openGrant(test, { endsInSeconds: 4 * hour })
    const never = await openGrant(test, {
      ...stock,
      state: 'scheduled',
      startsInSeconds: 2 * hour,
      endsInSeconds: 3 * hour,
    })
    test.clock.advance(hour)
    await database.read((db) =>
      db.execute(sql`update access_grant set state = 'revoked', ended_at = ${now().toISOString()}
        where id in (${grantId}, ${never})`),
    )
    test.clock.advance(6 * hour)
    const rows = await rowsFor(alice)
    expect(rows.map(({ role, heldSeconds }) => [role, heldSeconds])).toEqual([
      ['billing-operator', hour],
    ])
  })

  it('is found as long as its grant may have lived: asked 30 days ahead, held for 30', async () => {
    const days = 24 * hour
    await openGrant(test, { startsInSeconds: 30 * days, endsInSeconds: 60 * days })
    test.clock.advance(61 * days - 60)
    expect((await rowsFor(alice, { windowDays: 1 })).map((row) => row.heldSeconds)).toEqual([60])
    test.clock.advance(60)
    expect(await rowsFor(alice, { windowDays: 1 })).toEqual([])
  })
})

describe('who sees what', () => {
  beforeEach(async () => {
    await openGrant(test)
    await openGrant(test, { subject: 'dana@example.com', ...stock })
    await openGrant(test, { subject: 'workload:invoice-bot' })
    test.clock.advance(60)
  })
  const all = [
    'alice@example.com billing-operator',
    'dana@example.com stock-reader',
    'workload:invoice-bot billing-operator',
  ]

  it('is everything for admins, operators and jobs', async () => {
    expect(await namesOf(sam)).toEqual(all)
    expect(await namesOf(test.asOperator())).toEqual(all)
    expect(await namesOf(test.asJob('report-unused'))).toEqual(all)
  })

  it('is their resources for owners, and their own rows for everybody', async () => {
    expect(await namesOf(bob)).toEqual(all)
    expect(await namesOf(alice)).toEqual(all.slice(0, 1))
    expect(await namesOf(dana)).toEqual(all.slice(1, 2))
    expect(await namesOf(test.asWorkload('invoice-bot'))).toEqual(all.slice(2))
    expect(await namesOf(test.asPerson('erin@example.com'))).toEqual([])
  })

  it('is narrowed by a filter, and never refused because of one', async () => {
    expect(await namesOf(sam, { subject: 'alice@example.com' })).toEqual(all.slice(0, 1))
    expect(await namesOf(bob, { resource: 'stock-api' })).toEqual(all.slice(1, 2))
    expect(await namesOf(alice, { subject: 'dana@example.com' })).toEqual([])
    expect(await namesOf(alice, { resource: 'stock-api' })).toEqual([])
    expect(await namesOf(sam, { resource: 'no-such-api' })).toEqual([])
  })

  it('is nothing for a resource’s credential, and for a disabled subject', async () => {
    const resource = test.as({ kind: 'resource', id: 'billing-api', via: 'resource_credential' })
    await expect(reportUnusedPermissions(resource)).rejects.toMatchObject({ code: 'not_permitted' })
    await database.read((db) =>
      db.execute(sql`update subject set is_disabled = true, disabled_at = now()
        where id = 'dana@example.com'`),
    )
    await expect(reportUnusedPermissions(dana)).rejects.toMatchObject({ code: 'not_permitted' })
    await database.read((db) =>
      db.execute(sql`update subject set is_disabled = false, disabled_at = null`),
    )
  })
})

describe('the window', () => {
  it('is 90 days unless said, and 1 to 365', async () => {
    expect((await reportUnusedPermissions(alice)).windowDays).toBe(90)
    expect((await reportUnusedPermissions(alice, { windowDays: 365 })).windowDays).toBe(365)
    for (const windowDays of [0, -1, 366, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(reportUnusedPermissions(alice, { windowDays })).rejects.toMatchObject({
        code: 'invalid_input',
        options: { errors: [{ pointer: '/window_days' }] },
      })
    }
  })
})

describe('what is suggested', () => {
  it('is a role that the subject may ask for', async () => {
    // leads may ask for no reader role; only an emergency lets them in at all
    const grantId = await openGrant(test, { subject: 'bob@example.com', isBreakGlass: true })
    await record(test, { grantId, scope: 'invoices:read', at: now() })
    test.clock.advance(60)
    expect((await rowsFor(bob, { subject: 'bob@example.com' }))[0]?.suggestion).toMatchObject({
      role: 'billing-operator',
      scopes: ['invoices:read'],
    })
  })
})

describe('the query', () => {
  it('is the same few statements however many rows there are', async () => {
    await openGrant(test)
    test.clock.advance(60)
    const countStatements = async () => {
      let count = 0
      const counting = {
        ...sam,
        database: {
          ...database,
          read: <T>(work: Parameters<typeof database.read<T>>[0]) =>
            database.read((db) =>
              work(
                new Proxy(db, {
                  get: (target, name) => {
                    if (['select', 'execute', 'selectDistinct'].includes(String(name))) count += 1
                    return Reflect.get(target, name, target)
                  },
                }),
              ),
            ),
        },
      }
      await reportUnusedPermissions(counting)
      return count
    }
    const withOne = await countStatements()
    for (let n = 0; n < 20; n += 1) {
      const grantId = await openGrant(test, { subject: `person-${n}@example.com` })
      await record(test, { grantId, scope: 'invoices:read', at: now() })
    }
    test.clock.advance(60)
    expect(await countStatements()).toBe(withOne)
  })
})
