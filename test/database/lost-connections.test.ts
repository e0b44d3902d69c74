import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/database/index.ts'
import { createTestDatabase } from '../support/postgres.ts'

const testDatabase = await createTestDatabase()
const database = openDatabase(testDatabase.applicationConnection, { maxConnections: 2 })
const killer = new pg.Client(testDatabase.applicationConnection)
await killer.connect()

afterAll(async () => {
  await killer.end()
  await database.close()
  await testDatabase.drop()
})

function killAll() {
  return killer.query(
    `select pg_terminate_backend(pid, 2000) from pg_stat_activity
     where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`,
  )
}

const select = (db: Parameters<Parameters<Database['read']>[0]>[0]) => db.execute(sql`select 1`)

it('gives every connection back whose transaction could not even begin', async () => {
  for (let round = 0; round < 6; round += 1) {
    await Promise.all([database.transaction(({ db }) => select(db)), database.read(select)])
    const killed = killAll()
    const attempts = Array.from({ length: 4 }, () =>
      database.transaction(({ db }) => select(db)).catch((error: unknown) => error),
    )
    for (const outcome of await Promise.all(attempts)) {
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'cannot_decide' })
    }
    await killed
  }
  // a leak would leave none of the two
  const alive = await Promise.all(
    Array.from({ length: 4 }, () => database.transaction(({ db }) => select(db))),
  )
  expect(alive).toHaveLength(4)
})

it('survives a connection that dies between two statements, and undoes the first', async () => {
  const insert = (value: number) =>
    database.transaction(async ({ db }) => {
      await db.execute(sql`insert into idempotency_key (digest, body_digest, status, created_at)
        values (decode(${`0${value}`}, 'hex'), '', 200, now())`)
      if (value === 1) await killAll()
      // long enough for the connection's end to come in while nothing is asked of it
      if (value === 1) await new Promise((resolve) => setTimeout(resolve, 50))
      await select(db)
    })
  await expect(insert(1)).rejects.toMatchObject({ code: 'cannot_decide' })
  await insert(2)
  const { rows } = await database.read((db) =>
    db.execute(sql`select encode(digest, 'hex') as digest from idempotency_key`),
  )
  expect(rows).toEqual([{ digest: '02' }])
})

it('never takes a transaction for committed in which an error was dropped', async () => {
  const outcome = database.transaction(async ({ db }) => {
    await db.execute(sql`select 1 / 0`).catch(() => undefined)
    return 'done'
  })
  await expect(outcome).rejects.toThrow('a statement failed')
})
