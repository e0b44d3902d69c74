import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll } from 'vitest'
import { brokerEnvironment, freePort } from '../support/broker.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'

/** Where in a transaction over HTTP a process dies; `during commit` is when nobody can know the outcome. */
export type DeathPoint = 'before work' | 'before commit' | 'during commit' | 'before answer'

export interface ProcessOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly runsJobs?: boolean
  readonly clockOffsetSeconds?: number
  /** Listens where the issuer says, so that people who are sent there arrive. */
  readonly isAtIssuer?: boolean
}

/** A replica in a process of its own. */
export interface BrokerProcess {
  readonly url: string
  /** Everything that it wrote to stdout and stderr, its log at level debug included. */
  readonly output: () => string
  /** Resolves with the signal that ended it, null when it ended by itself. */
  readonly ended: Promise<NodeJS.Signals | null>
  /** It dies when `count` transactions have reached that point, all of them held there. */
  dieAt(point: DeathPoint, count: number): Promise<void>
  setClockOffset(seconds: number): Promise<void>
  /** Fails when it made a network call while a transaction was open. */
  stop(): Promise<void>
  kill(): Promise<void>
}

/** One database and the replicas over it; everything goes after the file's tests. */
export interface Installation {
  readonly database: Pick<TestDatabase, 'ownerUrl' | 'applicationUrl'>
  readonly dataDirectory: string
  readonly issuer: string
  readonly environment: Readonly<Record<string, string>>
  start(options?: ProcessOptions): Promise<BrokerProcess>
  /** As the owner of the tables. */
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Writes a file into the data folder and says its path. */
  write(name: string, content: string): string
}

type Reachable = Pick<TestDatabase, 'ownerUrl' | 'applicationUrl'>

export async function useInstallation(
  options: {
    readonly isEmpty?: boolean
    /** Instead of a database of the run's server. */
    readonly database?: Reachable
    /** The catalog; the example company without one. */
    readonly catalog?: object
  } = {},
): Promise<Installation> {
  const own = options.database === undefined ? await createTestDatabase(options) : undefined
  const database = options.database ?? own
  if (database === undefined) throw new Error('no database was made')
  const dataDirectory = mkdtempSync(join(tmpdir(), 'hallpass-invariants-'))
  const write = (name: string, content: string) => {
    const path = join(dataDirectory, name)
    writeFileSync(path, content)
    return path
  }
  const issuerPort = await freePort()
  const issuer = `http://localhost:${issuerPort}`
  const environment = {
    ...brokerEnvironment(database, issuerPort, dataDirectory),
    HALLPASS_ISSUER: issuer,
    ...(options.catalog === undefined
      ? {}
      : { HALLPASS_CONFIG: write('hallpass.yaml', JSON.stringify(options.catalog)) }),
  }
  const processes: BrokerProcess[] = []
  const pool = new pg.Pool({ connectionString: database.ownerUrl, max: 2 })
  pool.on('error', () => {})
  afterAll(async () => {
    await Promise.all(processes.map((process) => process.kill()))
    await pool.end()
    await own?.drop()
    rmSync(dataDirectory, { recursive: true, force: true })
  })
  return {
    database,
    dataDirectory,
    issuer,
    environment,
    write,
    query: async <R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await pool.query<R>(text, [...values])).rows,
    start: async (processOptions = {}) => {
      const { isAtIssuer, ...options } = processOptions
      const port = isAtIssuer === true ? issuerPort : await freePort()
      const process = await startProcess(port, dataDirectory, {
        ...options,
        environment: { ...environment, PORT: String(port), ...options.environment },
      })
      processes.push(process)
      return process
    },
  }
}

async function startProcess(
  port: number,
  cwd: string,
  { environment, ...settings }: ProcessOptions,
): Promise<BrokerProcess> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'broker-child.js'), JSON.stringify(settings)],
    {
      cwd,
      env: { PATH: process.env.PATH ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const faults: string[] = []
  child.on('message', (message) => {
    if (message !== 'ready' && message !== 'heard') faults.push(String(message))
  })
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('exit', (_, signal) => resolve(signal)),
  )
  await Promise.race([
    messageOf(child, 'ready'),
    ended.then(() => {
      throw new Error(`the broker ended before it was ready: ${output}`)
    }),
  ])
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    await ended
  }
  const tell = async (message: object) => {
    const heard = messageOf(child, 'heard')
    child.send(message)
    await heard
  }
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    ended,
    dieAt: (point, count) => tell({ dieAt: { point, count } }),
    setClockOffset: (offsetSeconds) => tell({ offsetSeconds }),
    stop: async () => {
      await end('SIGTERM')
      if (faults.length > 0) throw new Error(faults.join('\n'))
    },
    kill: () => end('SIGKILL'),
  }
}

function messageOf(child: ChildProcess, awaited: string): Promise<void> {
  return new Promise((resolve) => {
    const listen = (message: unknown) => {
      if (message !== awaited) return
      child.off('message', listen)
      resolve()
    }
    child.on('message', listen)
  })
}
