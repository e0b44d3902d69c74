import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedServer } from '../../src/database/embedded/index.ts'
import { runMigrations } from '../../src/database/index.ts'

/** One database of the bench's server, as URLs for a child process or a client of our own. */
export interface BenchDatabase {
  readonly ownerUrl: string
  readonly applicationUrl: string
}

/** An embedded Postgres in a temporary folder. */
export interface BenchServer {
  /** A folder that goes with the server. */
  readonly folder: string
  createDatabase(options?: BenchDatabaseOptions): Promise<BenchDatabase>
  stop(): Promise<void>
}

export interface BenchDatabaseOptions {
  /** Copies this one, to which nothing may be connected, instead of migrating an empty one. */
  readonly copyOf?: BenchDatabase
}

export async function startBenchServer(): Promise<BenchServer> {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-bench-'))
  chmodSync(folder, 0o711) // as root the server runs as nobody, who must pass
  const server = await startEmbeddedServer({
    dataDirectory: folder,
    log: () => {},
    ownerMayCreateDatabases: true,
  })
  const url = (role: 'owner' | 'application', name: string) => {
    const { host, port, user } = server.connection(role)
    return `postgres://${user}@localhost:${port}/${name}?host=${encodeURIComponent(host)}`
  }
  let made = 0
  return {
    folder,
    createDatabase: async ({ copyOf } = {}) => {
      const name = `bench_${++made}`
      const template = copyOf === undefined ? '' : ` template ${databaseOf(copyOf)}`
      await administer(url('owner', 'hallpass'), `create database ${name}${template}`)
      const database = { ownerUrl: url('owner', name), applicationUrl: url('application', name) }
      if (copyOf === undefined) {
        const { user } = server.connection('application')
        await runMigrations({ connectionString: database.ownerUrl }, { applicationRole: user })
      }
      return database
    },
    stop: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function databaseOf({ ownerUrl }: BenchDatabase): string {
  return new URL(ownerUrl).pathname.slice(1)
}

/** Runs statements one after the other, each in a transaction of its own. */
export async function administer(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
