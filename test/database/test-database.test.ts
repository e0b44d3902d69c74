import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'

async function ask(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

const tableCount = `select count(*)::int as tables from information_schema.tables where table_schema = 'public'`

describe('a test database', () => {
  let made: TestDatabase[]
  beforeAll(async () => {
    made = await Promise.all(Array.from({ length: 4 }, () => createTestDatabase()))
  })
  afterAll(async () => {
    await Promise.all(made.map((one) => one.drop()))
  })

  it('is migrated, and no two made at once are the same', async () => {
    expect(new Set(made.map((one) => one.name)).size).toBe(4)
    for (const one of made) {
      const [row] = await ask(one.ownerUrl, tableCount)
      expect(row?.tables).toBeGreaterThan(5)
    }
  })

  it('lets the application read and write rows, and neither make tables nor databases nor roles', async () => {
    const url = made[0]?.applicationUrl ?? ''
    await expect(ask(url, tableCount)).resolves.toHaveLength(1)
    await expect(ask(url, 'create table mine (id int)')).rejects.toThrow(/permission denied/)
    await expect(ask(url, 'create database mine')).rejects.toThrow(/permission denied/)
    await expect(ask(url, 'create role mine')).rejects.toThrow(/permission denied/)
    await expect(ask(url, 'drop table compatibility')).rejects.toThrow(/must be owner/)
  })

  it('is empty when asked for', async () => {
    const empty = await createTestDatabase({ isEmpty: true })
    expect(await ask(empty.ownerUrl, tableCount)).toEqual([{ tables: 0 }])
    await empty.drop()
    await expect(ask(empty.ownerUrl, 'select 1')).rejects.toThrow(/does not exist/)
  })

  it('is dropped while somebody is connected', async () => {
    const one = await createTestDatabase()
    const client = new pg.Client(one.applicationConnection)
    const ended = new Promise((resolve) => client.on('error', resolve))
    await client.connect()
    await one.drop()
    await ended
    await expect(ask(one.ownerUrl, 'select 1')).rejects.toThrow(/does not exist/)
  })
})
