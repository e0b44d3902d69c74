import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { DatabaseError, openDatabase } from '../../src/database/index.ts'
import { createTestDatabase } from '../support/postgres.ts'

const testDatabase = await createTestDatabase()
const database = openDatabase(testDatabase.applicationConnection, { maxConnections: 2 })

afterAll(async () => {
  await database.close()
  await testDatabase.drop()
})

function raise(sqlState: string): Promise<unknown> {
  const statement = `do $$ begin raise exception 'hunter2' using errcode = '${sqlState}'; end $$`
  return database.read((db) => db.execute(sql.raw(statement))).catch((error: unknown) => error)
}

describe('a database that cannot serve', () => {
  it.each([
    ['has no room left', '53100'],
    ['has no memory left', '53200'],
    ['has no connection left', '53300'],
    ['cannot read its disk', '58030'],
    ['does not take the password any more', '28P01'],
    ['does not take the role any more', '28000'],
    ['shuts down', '57P01'],
    ['ended an idle transaction', '25P03'],
    ['was made read-only', '25006'],
  ])('because it %s is an outage (SQLSTATE %s)', async (_, sqlState) => {
    expect(await raise(sqlState)).toMatchObject({ name: 'HallpassError', code: 'cannot_decide' })
  })

  it('because it is gone is an outage', async () => {
    const { database: name } = new pg.Client(testDatabase.applicationConnection)
    const connectionString = testDatabase.applicationUrl.replace(name ?? '', 'no_such_database')
    const gone = openDatabase({ connectionString })
    await expect(gone.read((db) => db.execute(sql`select 1`))).rejects.toMatchObject({
      code: 'cannot_decide',
    })
    await gone.close()
  })
})

describe('a statement that is refused', () => {
  it.each(['22021', '22P02', '23514', '42501', 'P0001'])(
    'is no outage (SQLSTATE %s), and tells nothing of what it held',
    async (sqlState) => {
      const error = await raise(sqlState)
      expect(error).toBeInstanceOf(DatabaseError)
      expect(error).toMatchObject({ sqlState })
      expect(String(error)).not.toContain('hunter2')
    },
  )

  it('keeps bound values to itself', async () => {
    const error = await database
      .read((db) => db.execute(sql`select ${'hunter2'}::int`))
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(DatabaseError)
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('hunter2')
  })
})
