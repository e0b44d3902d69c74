import { get } from 'node:http'
import { connect } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase } from '../../src/database/index.ts'
import { type Receiver, startReceiver } from '../notify/receiver.ts'
import { takeNetworkViolations } from '../support/no-network-in-transaction.ts'
import { createTestDatabase } from '../support/postgres.ts'

const testDatabase = await createTestDatabase()
const database = openDatabase(testDatabase.applicationConnection, { maxConnections: 2 })
let receiver: Receiver

beforeAll(async () => {
  receiver = await startReceiver()
})

afterAll(async () => {
  await receiver.close()
  await database.close()
  await testDatabase.drop()
})

const ways: Record<string, () => Promise<unknown>> = {
  fetch: () => fetch(receiver.url),
  'node:http': () =>
    new Promise((resolve, reject) => get(receiver.url, resolve).on('error', reject)),
  'a bare connection': () =>
    new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(receiver.url).port), '127.0.0.1', () => {
        socket.destroy()
        resolve()
      })
    }),
}

it.each(Object.entries(ways))(
  'notices %s inside a transaction, and not outside',
  async (_, way) => {
    await way()
    expect(takeNetworkViolations()).toEqual([])
    await database.transaction(async ({ db }) => {
      await db.execute(sql`select 1`)
      await way()
    })
    expect(takeNetworkViolations().length).toBeGreaterThan(0)
    await way()
    expect(takeNetworkViolations()).toEqual([])
  },
)

it('notices what a transaction sets off later, too, while it is open', async () => {
  await database.transaction(async () => {
    await new Promise((resolve) => setImmediate(() => resolve(fetch(receiver.url))))
  })
  expect(takeNetworkViolations().length).toBeGreaterThan(0)
})

it('has nothing against the way to Postgres itself, nor against what follows the commit', async () => {
  const fresh = openDatabase(testDatabase.applicationConnection, { maxConnections: 1 })
  let told: Promise<unknown> = Promise.resolve()
  await fresh.transaction(async ({ db, afterCommit }) => {
    afterCommit(() => {
      told = fetch(receiver.url)
    })
    await db.execute(sql`select 1`)
  })
  await told
  await fresh.close()
  expect(takeNetworkViolations()).toEqual([])
})
