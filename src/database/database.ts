import { AsyncLocalStorage } from 'node:async_hooks'
import { sql } from 'drizzle-orm'
import { drizzle, type NodePgQueryResultHKT } from 'drizzle-orm/node-postgres'
import type { PgDatabase } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { isOutage, isRetriable, translateDriverError } from './driver-errors.ts'

/** A connection that can be asked; inside a transaction it is that transaction. */
export type Queryable = PgDatabase<NodePgQueryResultHKT, Record<string, never>>

/** One open transaction. */
export interface Transaction {
  readonly db: Queryable
  /** Runs once the commit is acknowledged; never when the transaction rolls back. Must not throw. */
  afterCommit(effect: () => void): void
}

/** Where the application's data lives. Every driver error comes out as a code, see driver-errors.ts. */
export interface Database {
  /** Runs statements outside a transaction. */
  read<T>(work: (db: Queryable) => Promise<T>): Promise<T>
  /** Runs `work` in one READ COMMITTED transaction; a deadlock runs it again, at most three times. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /**
   * Behind a transaction pooler every transaction may meet another connection, where nothing is prepared: then a
   * statement that is prepared for `read` goes without a name, which is ''.
   */
  statementName(name: string): string
  /** The database's own time. */
  now(): Promise<Date>
  close(): Promise<void>
}

export type ConnectionSettings =
  | { readonly connectionString: string }
  | {
      readonly host: string
      readonly port: number
      readonly user: string
      readonly database: string
    }

const openTransaction = new AsyncLocalStorage<true>()

/** True inside `transaction`: nothing may wait for the network there. */
export function isTransactionOpen(): boolean {
  return openTransaction.getStore() === true
}

const maxAttempts = 3

/**
 * Opens a pool of at most `maxConnections`. Waiting for a connection, a lock or a statement is bounded,
 * so an overloaded database gives `cannot_decide` and never a hanging call.
 */
export function openDatabase(
  settings: ConnectionSettings,
  options: {
    readonly maxConnections?: number
    readonly onIdleError?: (error: Error) => void
    /** The settings lead to a transaction pooler (PgBouncer), not to Postgres itself. */
    readonly isPooled?: boolean
  } = {},
): Database {
  const pool = new pg.Pool({
    ...settings,
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: 9_000,
    lock_timeout: 8_000,
    // a network that swallows everything brings no answer, not even the server's own timeouts
    query_timeout: 9_500,
    keepAlive: true,
    idle_in_transaction_session_timeout: 20_000,
    application_name: 'hallpass',
  })
  let isClosing = false
  // without a listener an idle connection that dies ends the process
  pool.on('error', (error) => {
    // the server may be gone before the last connection is
    if (!isClosing) options.onIdleError?.(error)
  })
  // the same for one that is lent and dies between two statements; the next statement tells
  pool.on('connect', (client) => client.on('error', () => {}))
  const db: Queryable = drizzle(pool)
  return {
    read: (work) => translated(() => work(db)),
    transaction: (work) => translated(() => withRetries(() => runTransaction(pool, work))),
    statementName: (name) => (options.isPooled === true ? '' : name),
    now: async () =>
      translated(async () => {
        const { rows } = await db.execute<{ now: Date }>(sql`select clock_timestamp() as now`)
        const row = rows[0]
        if (row === undefined) throw new Error('the database did not tell its time')
        return new Date(row.now)
      }),
    close: () => {
      isClosing = true
      return pool.end()
    },
  }
}

async function runTransaction<T>(pool: pg.Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const effects: Array<() => void> = []
  const result = await withClient(pool, async (client) => {
    await client.query('begin')
    try {
      const tx = { db: drizzle(client), afterCommit: (effect: () => void) => effects.push(effect) }
      const output = await openTransaction.run(true, () => work(tx))
      const { command } = await client.query('commit')
      // Postgres answers the COMMIT of a failed transaction politely
      if (command !== 'COMMIT') throw new Error('a statement failed, and its error was dropped')
      return output
    } catch (error) {
      // over a broken connection nothing can be asked, and closing it undoes everything
      if (!isOutage(error)) await client.query('rollback')
      throw error
    }
  })
  for (const effect of effects) effect()
  return result
}

/** Lends a connection. Drizzle's own way over a pool never gives one back whose BEGIN failed. */
async function withClient<T>(
  pool: pg.Pool,
  use: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let isDoubtful = true
  try {
    const result = await use(client)
    isDoubtful = false
    return result
  } catch (error) {
    isDoubtful = isOutage(error)
    throw error
  } finally {
    // with true it is closed instead of lent again
    client.release(isDoubtful)
  }
}

async function withRetries<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      if (attempt >= maxAttempts || !isRetriable(error)) throw error
    }
  }
}

async function translated<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw translateDriverError(error)
  }
}
