import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { inject } from 'vitest'
import { databaseUrl } from './postgres-facts.ts'

/** A database of one test file's own. */
export interface TestDatabase {
  readonly name: string
  /** the URL forms are what a child process takes as DATABASE_URL and HALLPASS_OWNER_DATABASE_URL */
  readonly ownerUrl: string
  readonly applicationUrl: string
  readonly ownerConnection: { readonly connectionString: string }
  readonly applicationConnection: { readonly connectionString: string }
  readonly applicationRole: string
  /** Ends its connections and removes it. */
  drop(): Promise<void>
}

/**
 * Makes a database that is migrated already, or an empty one with `isEmpty`. Call it in `beforeAll` and
 * `drop` in `afterAll`.
 */
export async function createTestDatabase(
  options: { readonly isEmpty?: boolean } = {},
): Promise<TestDatabase> {
  const { admin, owner, application, template } = inject('postgres')
  const name = `hallpass_test_${randomBytes(6).toString('hex')}`
  const source = options.isEmpty ? 'template1' : template
  await administer(
    admin,
    `create database ${name} template ${source} owner ${new URL(owner).username}`,
  )
  const ownerUrl = databaseUrl(owner, name)
  const applicationUrl = databaseUrl(application, name)
  return {
    name,
    ownerUrl,
    applicationUrl,
    ownerConnection: { connectionString: ownerUrl },
    applicationConnection: { connectionString: applicationUrl },
    applicationRole: new URL(application).username,
    drop: () => administer(admin, `drop database if exists ${name} with (force)`),
  }
}

const attempts = 20

/** Copying one database twice at once, or while autovacuum looks at it, can be refused for a moment. */
async function administer(admin: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: admin })
  await client.connect()
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await client.query(statement)
        return
      } catch (error) {
        const isBusy = error instanceof pg.DatabaseError && error.code === '55006'
        if (!isBusy || attempt === attempts) throw error
        await sleep(100)
      }
    }
  } finally {
    await client.end()
  }
}
