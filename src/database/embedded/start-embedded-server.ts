import { setTimeout as sleep } from 'node:timers/promises'
import { describeFailure } from './failures.ts'
import { type Hold, isSupervised, takeHold } from './holders.ts'
import { type Home, prepareHome } from './home.ts'
import { keepRunning } from './keep-running.ts'
import { isAlive, readPostmaster } from './postmaster.ts'
import { ensureRunning, type RunOptions } from './run-server.ts'
import { removeSocketDirectory } from './server-files.ts'
import { databaseName, port, roleNames } from './settings.ts'

/** What `pg` needs to connect: `host` is the folder of a Unix socket, and there is no password. */
export interface ConnectionFacts {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
}

export interface EmbeddedServer {
  /** Connection settings for a role and database (default `hallpass`); peer authentication over the socket. */
  connection(role: 'owner' | 'application', database?: string): ConnectionFacts
  /** Lets go of the server. It stops when no other broker uses it, and then this waits until it has. */
  stop(): Promise<void>
}

export interface EmbeddedServerOptions {
  /** The server's files are under `<dataDirectory>/postgres`; as root perhaps under /var/lib/hallpass. */
  readonly dataDirectory: string
  readonly log: (message: string) => void
  /** For tests, which make a database per file. Counts when the files are made, not later. */
  readonly ownerMayCreateDatabases?: boolean
}

const longestStopMilliseconds = 90_000

/**
 * Starts the Postgres of a data folder, or joins the one that runs there already. It ends with the last
 * process that uses it, however that process ends, and is started again if it dies before.
 *
 * Rejects with an Error whose message says what to do.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  if (process.platform === 'win32') {
    throw new Error('Hallpass brings no Postgres for Windows. Set DATABASE_URL, or run it in WSL.')
  }
  const runOptions: RunOptions = {
    log: options.log,
    ownerMayCreateDatabases: options.ownerMayCreateDatabases ?? false,
  }
  try {
    const home = await prepareHome(options.dataDirectory)
    const hold = await takeHold(home)
    try {
      return await run(home, hold, runOptions)
    } catch (error) {
      hold.release()
      throw error
    }
  } catch (error) {
    throw explained(error, options.dataDirectory)
  }
}

async function run(home: Home, hold: Hold, options: RunOptions): Promise<EmbeddedServer> {
  const first = await ensureRunning(home, hold, options)
  const keeper = keepRunning(home, hold, options, first)
  let stopped: Promise<void> | undefined
  return {
    connection: (role, database = databaseName) => ({
      host: first.socketDirectory,
      port,
      user: roleNames[role],
      database,
    }),
    stop: () => {
      stopped ??= keeper.stop().then(() => letGo(home, hold))
      return stopped
    },
  }
}

async function letGo(home: Home, hold: Hold): Promise<void> {
  const running = readPostmaster(home)
  const isLast = hold.release()
  if (!isLast || running === undefined) return
  const patience = AbortSignal.timeout(longestStopMilliseconds)
  while (isAlive(running.processId) || isSupervised(home)) {
    if (patience.aborted) {
      throw new Error(
        `Postgres (process ${running.processId}) does not stop. Its log is ${home.log}.`,
      )
    }
    await sleep(5)
  }
  removeSocketDirectory(home)
}

/** Faults of the file system get a message for people; the others have one. */
function explained(error: unknown, dataDirectory: string): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  if (!('code' in error)) return error
  return new Error(
    describeFailure(`The data folder ${dataDirectory} cannot be used`, error.message),
    {
      cause: error,
    },
  )
}
