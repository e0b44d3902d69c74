import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeRevocation } from '../../src/access/index.ts'
import { systemClock } from '../../src/context.ts'
import { createRevocationFeed, type RevocationFeed } from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import { until } from '../support/until.ts'

const test = await useTestServices()
let feed: RevocationFeed
const services = { ...test.services, clock: systemClock }

beforeAll(async () => {
  feed = createRevocationFeed(services, test.database.applicationConnection)
  await feed.start()
})
afterAll(() => feed.stop())

let made = 0

async function revoke(resource: string | null = 'billing-api', seconds = 60): Promise<string> {
  made += 1
  const target = `grt_${made}`
  await services.database.transaction((tx) =>
    writeRevocation(tx, services, {
      kind: 'grant',
      target,
      resource,
      forgetAt: new Date(Date.now() + seconds * 1000),
    }),
  )
  return target
}

const knows = (target: string) =>
  feed.live.isRevoked({ jti: 'jti', grantId: target, subject: 'alice@example.com', resource: 'x' })

/** A role may end its own connections. */
async function asApplication(statement: string): Promise<void> {
  const client = new pg.Client(test.database.applicationConnection)
  await client.connect()
  await client.query(statement)
  await client.end()
}

describe('the feed', () => {
  it('knows a revocation moments after its commit, and tells it once', async () => {
    const told: string[] = []
    const unsubscribe = feed.subscribe({
      onRevoked: (revocations) => told.push(...revocations.map(({ target }) => target)),
      onHeartbeat: () => {},
      onStale: () => {},
    })
    const target = await revoke()
    await until('it is known', () => knows(target))
    await feed.refresh()
    unsubscribe()
    expect(told).toEqual([target])
  })

  it('knows what committed late, whatever committed meanwhile', async () => {
    let finish: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      finish = resolve
    })
    const slow = services.database.transaction(async (tx) => {
      await writeRevocation(tx, services, {
        kind: 'grant',
        target: 'grt_slow',
        resource: null,
        forgetAt: new Date(Date.now() + 60_000),
      })
      await held
    })
    const quick = await revoke()
    await until('the quick one is known', () => knows(quick))
    expect(knows('grt_slow')).toBe(false)
    finish()
    await slow
    await until('the slow one is known', () => knows('grt_slow'))
  })

  it('is as of a time after the question once refreshed', async () => {
    const { rows } = await services.database.read((db) =>
      db.execute<{ now: Date }>('select clock_timestamp() as now'),
    )
    const asked = new Date(rows[0]?.now ?? Number.NaN)
    await Promise.all([feed.refresh(), feed.refresh(), feed.refresh()])
    expect(feed.snapshot('billing-api')?.asOf.getTime()).toBeGreaterThanOrEqual(asked.getTime())
  })

  it('leaves out what concerns another resource alone, and keeps what concerns all', async () => {
    const [other, every] = [await revoke('ledger-api'), await revoke(null)]
    await until('both are known', () => knows(other) && knows(every))
    const targets = feed.snapshot('billing-api')?.revocations.map(({ target }) => target)
    expect(targets).toContain(every)
    expect(targets).not.toContain(other)
  })

  it('forgets what no token can meet any more', async () => {
    const target = await revoke('billing-api', 1)
    await until('it is known', () => knows(target))
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await feed.refresh()
    expect(knows(target)).toBe(false)
  })

  it('is stale without its connection, says so, and afterwards knows what was revoked meanwhile', async () => {
    let staleCount = 0
    const unsubscribe = feed.subscribe({
      onRevoked: () => {},
      onHeartbeat: () => {},
      onStale: () => {
        staleCount += 1
      },
    })
    await asApplication(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'hallpass-listener' and datname = current_database()`,
    )
    await until('it is stale', () => staleCount === 1)
    const target = await revoke()
    await until('it is fresh again', () => feed.isFresh())
    expect(knows(target)).toBe(true)
    unsubscribe()
  })

  it('loses nothing to sixteen writers that commit in any order', async () => {
    const targets = await Promise.all(
      Array.from({ length: 16 }, async (_, writer) => {
        const mine: string[] = []
        for (let count = 0; count < 20; count += 1) {
          const target = `grt_w${writer}_${count}`
          await services.database.transaction(async (tx) => {
            await writeRevocation(tx, services, {
              kind: 'grant',
              target,
              resource: null,
              forgetAt: new Date(Date.now() + 60_000),
            })
            await new Promise((resolve) => setTimeout(resolve, (writer * 7 + count * 13) % 20))
          })
          mine.push(target)
        }
        return mine
      }),
    )
    await until('all 320 are known', () => targets.flat().every(knows))
  })
})
