import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { openOperatorTerminal, type Terminal } from './terminal.ts'

let database: TestDatabase
let operator: Terminal

async function ask(statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(database.ownerConnection)
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  database = await createTestDatabase({ isEmpty: true })
  operator = openOperatorTerminal(database)
})
afterAll(() => database.drop())

describe('migrate', () => {
  it('is what other commands ask for, and do not do', async () => {
    for (const argv of [
      ['keys', 'list'],
      ['audit', 'verify'],
    ]) {
      const ran = await operator.run(...argv)
      expect(ran.status).toBe(1)
      expect(ran.err).toMatch(/^migrations_pending: .*hallpass migrate$/)
    }
    const tables = await ask(`select 1 from pg_tables where schemaname = 'public'`)
    expect(tables).toEqual([])
  })

  it('brings an empty database to this schema, says how much, and does nothing twice', async () => {
    const { json } = await operator.done('--json', 'migrate')
    expect(json.applied_count).toBeGreaterThan(0)
    expect((await operator.done('migrate')).out).toMatch(/^Nothing to do: /)
    await operator.done('keys', 'list')
  })

  it('is audited as the person at this machine', async () => {
    const rows = await ask(`select * from audit_entry where action = 'run-migrations'`)
    expect(rows.length).toBe(2)
    expect(JSON.stringify(rows[0])).toContain('olivia')
  })

  it('refuses a database that is marked incompatible', async () => {
    await ask('update compatibility set minimum_generation = 99')
    const ran = await operator.run('migrate')
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/^database_incompatible: .*Start a newer release/)
    await ask('update compatibility set minimum_generation = 1')
  })

  it('ends with 5 and what to do when the database is away', async () => {
    const away = openOperatorTerminal(database, {
      HALLPASS_OWNER_DATABASE_URL: 'postgres://owner:open-sesame@127.0.0.1:9/x',
    })
    const ran = await away.run('migrate')
    expect(ran.status).toBe(5)
    expect(ran.err).toMatch(/^database_unreachable: .*nothing listens/)
    expect(ran.err).not.toContain('open-sesame')
  })

  it('says what is missing when the role may not make tables', async () => {
    const fresh = await createTestDatabase({ isEmpty: true })
    const weak = openOperatorTerminal(fresh, {
      HALLPASS_OWNER_DATABASE_URL: fresh.applicationUrl,
    })
    const ran = await weak.run('migrate')
    await fresh.drop()
    expect(ran.status).toBe(5)
    expect(ran.err).toMatch(/HALLPASS_OWNER_DATABASE_URL/)
  })
})
