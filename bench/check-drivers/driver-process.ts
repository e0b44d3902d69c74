import { sql } from 'drizzle-orm'
import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { openDatabase } from '../../src/database/index.ts'
import { type DriverUnderTest, runCallers } from './load.ts'

/**
 * The callers of one driver in a process of their own, because one of them may take the process down:
 * `driver-process.js pg|postgres URL SECONDS`. Prints what they saw as JSON and ends.
 */
const work = pgTable('work', {
  attempt: integer('attempt').notNull(),
  step: integer('step').notNull(),
  ranIn: text('ran_in').notNull().default(sql`pg_current_xact_id()::text`),
  id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity(),
})

const poolSize = 12

/** `pg` as Hallpass opens it, and drizzle over it. */
function throughPg(url: string): DriverUnderTest {
  const database = openDatabase({ connectionString: url }, { maxConnections: poolSize })
  return {
    transaction: (run) =>
      database.transaction(({ db }) =>
        run({
          insert: async (attempt, step) => {
            const [row] = await db.insert(work).values({ attempt, step }).returning()
            return row?.ranIn ?? ''
          },
        }),
      ),
  }
}

/** postgres.js, and drizzle over it. */
function throughPostgresJs(url: string): DriverUnderTest {
  const { username, pathname, port, searchParams } = new URL(url)
  const client = postgres({
    path: `${searchParams.get('host')}/.s.PGSQL.${port}`,
    user: username,
    database: pathname.slice(1),
    max: poolSize,
  })
  const db = drizzlePostgresJs(client)
  return {
    transaction: (run) =>
      db.transaction((tx) =>
        run({
          insert: async (attempt, step) => {
            const [row] = await tx.insert(work).values({ attempt, step }).returning()
            return row?.ranIn ?? ''
          },
        }),
      ),
  }
}

async function main([name, url = '', seconds]: readonly string[]): Promise<void> {
  let uncaughtCount = 0
  process.on('uncaughtException', () => {
    uncaughtCount += 1
  })
  process.on('unhandledRejection', () => {
    uncaughtCount += 1
  })
  const driver = name === 'pg' ? throughPg(url) : throughPostgresJs(url)
  const deadline = performance.now() + Number(seconds) * 1000
  const seen = await runCallers(driver, () => performance.now() > deadline)
  process.stdout.write(`${JSON.stringify({ ...seen, uncaughtCount })}\n`, () => process.exit(0))
}

await main(process.argv.slice(2))
