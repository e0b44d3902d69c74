import type { Config } from './config.ts'
import { type Clock, type Log, type OperationContext, systemIds } from './context.ts'
import {
  type ConnectedDatabase,
  connectDatabase,
  hasEmbeddedDatabase,
  startClockMonitor,
} from './database/index.ts'
import { createSecretBox, masterKeyInFolder } from './tokens/index.ts'

/** Direct access to the installation's database, for commands that act on it. */
export interface OperatorAccess {
  readonly ctx: OperationContext
  readonly connected: ConnectedDatabase
  close(): Promise<void>
}

/** There is nothing to act on: the data folder holds no database. */
export class NoDatabase extends Error {
  constructor(dataDirectory: string) {
    super(
      `There is no database in ${dataDirectory} yet. Start the broker first, or set DATABASE_URL or HALLPASS_DATA_DIR as the broker has it.`,
    )
    this.name = 'NoDatabase'
  }
}

/** Opens the database as actor `operator`, known by the name of the OS user. Joins a running embedded server. */
export async function openAsOperator(
  config: Config,
  options: {
    readonly clock: Clock
    readonly log: Log
    readonly user: string
    /** False leaves the schema as it is. */
    readonly migrate?: boolean
    /** False throws NoDatabase instead of making the embedded database. */
    readonly mayCreate?: boolean
  },
): Promise<OperatorAccess> {
  const { clock, log, user } = options
  const isAbsent = config.databaseUrl === undefined && !hasEmbeddedDatabase(config.dataDirectory)
  if (isAbsent && options.mayCreate === false) throw new NoDatabase(config.dataDirectory)
  const connected = await connectDatabase(config, log, {
    maxConnections: 4,
    migrate: options.migrate ?? true,
  })
  const clockMonitor = startClockMonitor(clock, connected.database, log)
  await clockMonitor.measure()
  const ctx: OperationContext = {
    actor: { kind: 'operator', id: user, via: 'operator' },
    clock,
    clockMonitor,
    ids: systemIds(clock),
    log,
    database: connected.database,
    secretBox: createSecretBox({
      masterKey: config.masterKey ?? masterKeyInFolder(config.dataDirectory),
      previousMasterKey: config.previousMasterKey,
    }),
    issuer: config.issuer,
    tokenAlgorithm: config.tokenAlgorithm,
    // the broker's own poll finds what this process commits
    wakeOutbox: () => {},
  }
  return {
    ctx,
    connected,
    close: async () => {
      clockMonitor.stop()
      await connected.close()
    },
  }
}
