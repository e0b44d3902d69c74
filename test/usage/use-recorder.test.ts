import { asc, eq, sql } from 'drizzle-orm'
import pg from 'pg'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { getGrant } from '../../src/access/index.ts'
import {
  grantScopeUsageTable,
  grantUsageTable,
  resourceEvidenceTable,
} from '../../src/database/schema/usage.ts'
import { createUseRecorder, type UseRecorder } from '../../src/usage/index.ts'
import { useTestServices } from '../support/context.ts'
import { until } from '../support/until.ts'
import { openGrant, prepare } from '../tokens/grants.ts'

const test = await useTestServices({ startAt: new Date('2026-03-02T09:00:00.000Z') })
const { database } = test.services

beforeAll(() => prepare(test))
beforeEach(() => database.read((db) => db.execute('delete from resource_evidence')))

const at = (seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000)

function usageOf(grantId: string) {
  return database.read(async (db) => {
    const [grant] = await db
      .select()
      .from(grantUsageTable)
      .where(eq(grantUsageTable.grantId, grantId))
    const scopes = await db
      .select()
      .from(grantScopeUsageTable)
      .where(eq(grantScopeUsageTable.grantId, grantId))
      .orderBy(asc(grantScopeUsageTable.scope))
    return { grant, scopes }
  })
}

async function recorded(observe: (recorder: UseRecorder) => void): Promise<UseRecorder> {
  const recorder = createUseRecorder(test.services)
  observe(recorder)
  await recorder.stop()
  return recorder
}

describe('what is written', () => {
  it('is that a grant was taken up, which says nothing about its use', async () => {
    const grantId = await openGrant(test)
    await recorded(({ observer }) => {
      observer.observeMint({ grantId, at: at(5) })
      observer.observeMint({ grantId, at: at(2) })
    })
    const { grant, scopes } = await usageOf(grantId)
    expect(grant).toMatchObject({ firstMintedAt: at(2), lastMintedAt: at(5), lastUsedAt: null })
    expect(scopes).toEqual([])
    const evidence = await database.read((db) => db.select().from(resourceEvidenceTable))
    expect(evidence).toEqual([])
  })

  it('is the first and last use of a grant, and of each scope that was named', async () => {
    const grantId = await openGrant(test)
    await recorded(({ observer }) => {
      observer.observeUse({ grantId, scope: 'invoices:write', at: at(20) })
      observer.observeUse({ grantId, scope: 'invoices:read', at: at(10) })
      observer.observeUse({ grantId, scope: undefined, at: at(40) })
      observer.observeUse({ grantId, scope: 'invoices:read', at: at(30) })
    })
    const { grant, scopes } = await usageOf(grantId)
    expect(grant).toMatchObject({ firstUsedAt: at(10), lastUsedAt: at(40), lastMintedAt: null })
    expect(scopes).toEqual([
      { grantId, scope: 'invoices:read', firstUsedAt: at(10), lastUsedAt: at(30) },
      { grantId, scope: 'invoices:write', firstUsedAt: at(20), lastUsedAt: at(20) },
    ])
    const seen = await getGrant(test.asPerson('alice@example.com'), { grantId })
    expect(seen.lastUsedAt).toEqual(at(40))
  })

  it('only moves outwards, in whatever order and however often batches come', async () => {
    const grantId = await openGrant(test)
    for (const seconds of [50, 10, 90, 90, 30]) {
      await recorded(({ observer }) =>
        observer.observeUse({ grantId, scope: 'invoices:read', at: at(seconds) }),
      )
    }
    const span = { firstUsedAt: at(10), lastUsedAt: at(90) }
    const { grant, scopes } = await usageOf(grantId)
    expect(grant).toMatchObject(span)
    expect(scopes).toEqual([{ grantId, scope: 'invoices:read', ...span }])
  })

  it('leaves out a grant that does not exist, and keeps the rest of the batch', async () => {
    const grantId = await openGrant(test)
    const recorder = await recorded(({ observer }) => {
      observer.observeUse({ grantId: 'grt_unknown', scope: 'invoices:read', at: at(1) })
      observer.observeUse({ grantId, scope: 'invoices:read', at: at(1) })
    })
    expect(recorder.status()).toEqual({ waitingCount: 0, lostCount: 0, failureCount: 0 })
    expect((await usageOf(grantId)).scopes).toHaveLength(1)
    expect(await usageOf('grt_unknown')).toEqual({ grant: undefined, scopes: [] })
  })

  it('is that a resource told of use, at most every ten seconds and never earlier than before', async () => {
    const [billing, stock] = await Promise.all([
      openGrant(test),
      openGrant(test, { resource: 'stock-api', role: 'stock-reader', scopes: ['stock:read'] }),
    ])
    const seen = async (grantId: string, seconds: number) => {
      await recorded(({ observer }) =>
        observer.observeUse({ grantId, scope: undefined, at: at(seconds) }),
      )
      const rows = await database.read((db) =>
        db.select().from(resourceEvidenceTable).orderBy(asc(resourceEvidenceTable.resource)),
      )
      return rows.map(({ resource, lastSeenAt }) => [resource, lastSeenAt])
    }
    expect(await seen(billing, 100)).toEqual([['billing-api', at(100)]])
    expect(await seen(billing, 109)).toEqual([['billing-api', at(100)]])
    expect(await seen(billing, 20)).toEqual([['billing-api', at(100)]])
    expect(await seen(billing, 110)).toEqual([['billing-api', at(110)]])
    expect(await seen(stock, 3)).toEqual([
      ['billing-api', at(110)],
      ['stock-api', at(3)],
    ])
  })
})

describe('when it is written', () => {
  it('is by itself, soon after it was observed', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services)
    recorder.start()
    recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(1) })
    expect(recorder.status().waitingCount).toBe(2)
    await until('it is written', async () => (await usageOf(grantId)).grant !== undefined, 5)
    await until('nothing waits', () => recorder.status().waitingCount === 0, 5)
    await recorder.stop()
  })

  it('is at once when a thousand entries wait', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services, { flushMilliseconds: 60_000 })
    recorder.start()
    recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(1) })
    for (let n = 0; n < 998; n += 1) {
      recorder.observer.observeMint({ grantId: `grt_nobody_${n}`, at: at(1) })
    }
    await until('it is written', async () => (await usageOf(grantId)).grant !== undefined, 5)
    await recorder.stop()
  })

  it('merges what concerns the same grant, so that a busy one takes no room', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services)
    for (let n = 0; n < 10_000; n += 1) {
      recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(n / 1000) })
    }
    expect(recorder.status().waitingCount).toBe(2)
    await recorder.stop()
    expect((await usageOf(grantId)).grant).toMatchObject({
      firstUsedAt: at(0),
      lastUsedAt: at(9.999),
    })
  })
})

describe('many replicas at once', () => {
  it('write overlapping keys, in opposite orders, without a deadlock', async () => {
    const grantIds = await Promise.all(Array.from({ length: 300 }, () => openGrant(test)))
    const scopes = ['invoices:read', 'invoices:write']
    const deadlocksBefore = await deadlocks()
    const rounds = 6
    for (let round = 0; round < rounds; round += 1) {
      const recorders = Array.from({ length: 8 }, () => createUseRecorder(test.services))
      for (const [replica, { observer }] of recorders.entries()) {
        const ordered = replica % 2 === 0 ? grantIds : [...grantIds].reverse()
        for (const grantId of ordered) {
          observer.observeMint({ grantId, at: at(replica) })
          for (const scope of scopes) {
            observer.observeUse({ grantId, scope, at: at(round * 8 + replica) })
          }
        }
      }
      // all write at once, all that they have
      await Promise.all(recorders.map((recorder) => recorder.stop()))
      for (const recorder of recorders) {
        expect(recorder.status()).toEqual({ waitingCount: 0, lostCount: 0, failureCount: 0 })
      }
    }
    const span = { firstUsedAt: at(0), lastUsedAt: at(rounds * 8 - 1) }
    for (const grantId of grantIds) {
      const { grant, scopes: used } = await usageOf(grantId)
      expect(grant).toMatchObject({ ...span, firstMintedAt: at(0), lastMintedAt: at(7) })
      expect(used).toEqual(scopes.map((scope) => ({ grantId, scope, ...span })))
    }
    expect(await deadlocks()).toBe(deadlocksBefore)
    expect(test.logLines.filter((line) => line.includes('could not be written'))).toEqual([])
  })

  /** A deadlock that was retried would show nowhere else. */
  async function deadlocks(): Promise<number> {
    await database.read((db) => db.execute('select pg_stat_force_next_flush()'))
    const { rows } = await database.read((db) =>
      db.execute<{ deadlocks: number }>(
        'select deadlocks::int from pg_stat_database where datname = current_database()',
      ),
    )
    return rows[0]?.deadlocks ?? Number.NaN
  }

  it('does not wait for whoever holds the grant itself', async () => {
    const grantId = await openGrant(test)
    await database.transaction(async (tx) => {
      await tx.db.execute(sql`select from access_grant where id = ${grantId} for update`)
      await recorded(({ observer }) =>
        observer.observeUse({ grantId, scope: 'invoices:read', at: at(1) }),
      )
    })
    expect((await usageOf(grantId)).grant?.lastUsedAt).toEqual(at(1))
  })
})

/** Cuts every connection and turns new ones away, until `during` is over. */
async function outage<T>(during: () => Promise<T>): Promise<T> {
  const owner = new pg.Client(test.database.ownerConnection)
  const killer = new pg.Client(test.database.applicationConnection)
  await Promise.all([owner.connect(), killer.connect()])
  const name = owner.escapeIdentifier(test.database.name)
  try {
    await owner.query(`alter database ${name} with connection limit 0`)
    await killer.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`,
    )
    return await during()
  } finally {
    await owner.query(`alter database ${name} with connection limit -1`)
    await Promise.all([owner.end(), killer.end()])
  }
}

describe('while the database is away', () => {
  const isSaid = (text: string) => test.logLines.some((line) => line.includes(text))

  it('waits, and is written when it is back', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services, { flushMilliseconds: 20 })
    recorder.start()
    recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(10) })
    await until('the first is written', async () => (await usageOf(grantId)).grant !== undefined)
    await outage(async () => {
      recorder.observer.observeUse({ grantId, scope: 'invoices:write', at: at(20) })
      await until('it has failed twice', () => recorder.status().failureCount >= 2)
      recorder.observer.observeUse({ grantId, scope: undefined, at: at(30) })
      expect(recorder.status()).toMatchObject({ waitingCount: 2, lostCount: 0 })
    })
    await until('nothing waits', () => recorder.status().waitingCount === 0)
    expect(recorder.status()).toEqual({ waitingCount: 0, lostCount: 0, failureCount: 0 })
    const { grant, scopes } = await usageOf(grantId)
    expect(grant).toMatchObject({ firstUsedAt: at(10), lastUsedAt: at(30) })
    expect(scopes.map(({ scope }) => scope)).toEqual(['invoices:read', 'invoices:write'])
    await recorder.stop()
    expect(isSaid('observed uses could not be written')).toBe(true)
    expect(isSaid('observed uses are written again')).toBe(true)
  })

  it('keeps a bounded number, counts what found no room, and never refuses the call', async () => {
    const grantIds = await Promise.all(Array.from({ length: 5 }, () => openGrant(test)))
    const recorder = createUseRecorder(test.services, { flushMilliseconds: 20, maxEntries: 6 })
    recorder.start()
    await outage(async () => {
      for (const grantId of grantIds) {
        recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(10) })
      }
      await until('it has failed', () => recorder.status().failureCount >= 1)
      expect(recorder.status()).toMatchObject({ waitingCount: 6, lostCount: 2 })
    })
    await until('nothing waits', () => recorder.status().waitingCount === 0)
    await recorder.stop()
    const written = await Promise.all(grantIds.map(usageOf))
    expect(written.map(({ grant }) => grant !== undefined)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
    expect(isSaid('observed uses were lost')).toBe(true)
  })

  it('is given up by a stop after a while, and that is counted and said', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services, {
      flushMilliseconds: 20,
      stopMilliseconds: 200,
    })
    recorder.start()
    test.logLines.splice(0)
    await outage(async () => {
      recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(10) })
      await recorder.stop()
    })
    expect(recorder.status()).toMatchObject({ waitingCount: 0, lostCount: 2 })
    expect(isSaid('observed uses were lost')).toBe(true)
    expect(await usageOf(grantId)).toEqual({ grant: undefined, scopes: [] })
  })

  it('a stop waits for what is under way and writes the rest, when the database is back in time', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services, { flushMilliseconds: 20 })
    recorder.start()
    const stopped = await outage(async () => {
      recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(10) })
      await until('it has failed', () => recorder.status().failureCount >= 1)
      return { stop: recorder.stop() }
    })
    await stopped.stop
    expect(recorder.status()).toMatchObject({ waitingCount: 0, lostCount: 0 })
    expect((await usageOf(grantId)).grant?.lastUsedAt).toEqual(at(10))
  })

  it('drops what a reachable database refuses again and again, so that the rest goes on', async () => {
    const grantId = await openGrant(test)
    const recorder = createUseRecorder(test.services, {
      flushMilliseconds: 5,
      longestPauseMilliseconds: 10,
    })
    recorder.start()
    // no text of Postgres holds NUL
    recorder.observer.observeUse({ grantId, scope: 'a\u0000b', at: at(10) })
    await until('it is dropped', () => recorder.status().lostCount === 2)
    recorder.observer.observeUse({ grantId, scope: 'invoices:read', at: at(20) })
    await until('nothing waits', () => recorder.status().waitingCount === 0)
    await recorder.stop()
    expect((await usageOf(grantId)).scopes.map(({ scope }) => scope)).toEqual(['invoices:read'])
    expect(isSaid('the database refuses observed uses')).toBe(true)
    expect(test.logLines.join('')).not.toContain('\u0000')
  })
})
