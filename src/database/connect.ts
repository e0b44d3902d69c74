import pg from 'pg'
import type { Config } from '../config.ts'
import type { Log } from '../context.ts'
import { explainFailure } from './connection-failures.ts'
import { type ConnectionSettings, type Database, openDatabase } from './database.ts'
import { startEmbeddedServer } from './embedded/index.ts'
import { countPendingMigrations, runMigrations } from './migrations.ts'

/** The database as the composition root uses it. */
export interface ConnectedDatabase {
  readonly database: Database
  readonly application: ConnectionSettings
  readonly owner: ConnectionSettings
  readonly isEmbedded: boolean
  /** Migrations that the database lacks; above 0 only when they were not to be applied. */
  readonly pendingMigrationCount: number
  /** Migrations that this connecting applied. */
  readonly appliedMigrationCount: number
  close(): Promise<void>
}

type DatabaseConfig = Pick<Config, 'databaseUrl' | 'ownerDatabaseUrl' | 'dataDirectory'> &
  Partial<Pick<Config, 'directDatabaseUrl'>>

/**
 * Connects to the configured Postgres, or starts the embedded one; migrates as the owner (unless
 * `migrate` is false); gives a pool as the application's role. Throws with a message that says what to mend.
 */
export async function connectDatabase(
  config: DatabaseConfig,
  log: Log,
  options: { readonly maxConnections?: number; readonly migrate?: boolean } = {},
): Promise<ConnectedDatabase> {
  const server = await serverOf(config, log)
  try {
    const role = await applicationRole(server.owner, server.application)
    const pendingMigrationCount =
      options.migrate === false ? await countPendingMigrations(server.owner) : 0
    const { applied: appliedMigrationCount } =
      options.migrate === false ? { applied: 0 } : await runMigrations(server.owner, role)
    const database = openDatabase(server.application, {
      ...options,
      // who names a direct address beside it goes through a pooler
      isPooled: config.directDatabaseUrl !== undefined,
      onIdleError: (error) => log.warn({ error: error.name }, 'an idle database connection died'),
    })
    return {
      ...server,
      database,
      pendingMigrationCount,
      appliedMigrationCount,
      close: async () => {
        await database.close()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw explainFailure(error)
  }
}

interface Server {
  readonly application: ConnectionSettings
  readonly owner: ConnectionSettings
  readonly isEmbedded: boolean
  stop(): Promise<void>
}

async function serverOf(config: DatabaseConfig, log: Log): Promise<Server> {
  if (config.databaseUrl !== undefined) {
    return {
      application: { connectionString: config.databaseUrl },
      owner: { connectionString: config.ownerDatabaseUrl ?? config.databaseUrl },
      isEmbedded: false,
      stop: async () => {},
    }
  }
  const embedded = await startEmbeddedServer({
    dataDirectory: config.dataDirectory,
    log: (message) => log.info({}, message),
  })
  return {
    application: embedded.connection('application'),
    owner: embedded.connection('owner'),
    isEmbedded: true,
    stop: () => embedded.stop(),
  }
}

/** The role to grant rights to; none when the application's role owns the tables itself. */
async function applicationRole(
  owner: ConnectionSettings,
  application: ConnectionSettings,
): Promise<{ applicationRole?: string }> {
  const names = await Promise.all([owner, application].map(roleOf))
  const [ownerName, name] = names
  return name === undefined || name === ownerName ? {} : { applicationRole: name }
}

async function roleOf(settings: ConnectionSettings): Promise<string | undefined> {
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>('select current_user as name')
    return rows[0]?.name
  } finally {
    await client.end()
  }
}
