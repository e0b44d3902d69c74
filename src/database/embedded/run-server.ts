import { closeSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinaries } from './binaries.ts'
import { describeFailure } from './failures.ts'
import { type Hold, isSupervised } from './holders.ts'
import type { Home } from './home.ts'
import { initialiseCluster } from './initialise-cluster.ts'
import {
  askToStop,
  hasProcess,
  isAlive,
  isReachable,
  isThisServer,
  postmasterFile,
  readIfThere,
  readPostmaster,
  setAsideStaleLock,
} from './postmaster.ts'
import type { PostmasterFile } from './postmaster-file.ts'
import {
  logLength,
  makeSocketDirectory,
  openLog,
  readLogSince,
  writeSettings,
} from './server-files.ts'
import { socketFile } from './settings.ts'
import { adopt, supervise } from './supervisor.ts'

/** A server that answers. */
export interface RunningServer {
  readonly processId: number
  readonly socketDirectory: string
}

export interface RunOptions {
  readonly log: (message: string) => void
  readonly ownerMayCreateDatabases: boolean
}

const pauseMilliseconds = 5
/** a lock file without content is being written, or will never be */
const completionMilliseconds = 2_500
const unreachableAfterMilliseconds = 5_000
const noticeMilliseconds = 5_000
const patienceMilliseconds = 60_000

/**
 * Brings it about that the home's server runs: finds it running, an orphan included, or starts it. Any
 * number may do this at once; the lock file of Postgres itself lets one of them win.
 */
export async function ensureRunning(
  home: Home,
  hold: Hold,
  options: RunOptions,
): Promise<RunningServer> {
  const patience = AbortSignal.timeout(patienceMilliseconds)
  const completion = AbortSignal.timeout(completionMilliseconds)
  for (;;) {
    const found = await findRunning(home, completion)
    if (found !== undefined) {
      if (!isSupervised(home)) {
        options.log(`took over the Postgres that runs in ${home.folder}`)
        adopt(hold, found.processId, { user: home.user, postmasterFile: postmasterFile(home) })
      }
      return found
    }
    const started = await startServer(home, hold, options)
    if (started !== undefined) return started
    if (patience.aborted) {
      throw new Error(
        `Another Postgres uses ${home.data} and does not answer. Stop whatever runs on this folder ` +
          '(see postmaster.pid in it), then start again.',
      )
    }
    await sleep(20 * pauseMilliseconds)
  }
}

/** undefined when nothing runs, or no longer. Waits for one that starts, ends one that cannot be reached. */
async function findRunning(
  home: Home,
  completion: AbortSignal,
): Promise<RunningServer | undefined> {
  let unreachable: AbortSignal | undefined
  let isAskedToStop = false
  for (;;) {
    const text = readIfThere(postmasterFile(home))
    const file = readPostmaster(home)
    if (text === undefined) return undefined
    if (file === undefined) {
      // empty: another start just made it, or the disk was full when one did
      if (!completion.aborted) return undefined
      setAsideStaleLock(postmasterFile(home), text)
      return undefined
    }
    const isUp = file.status === 'ready' && (await isReachable(file.socketDirectory))
    if (isUp && (await staysUp(home, file))) return file
    if (!isUp) {
      // what cannot be reached may also run in another container, where its process has another number
      if (!hasProcess(file.processId)) return undefined
      if (!isAlive(file.processId) || !(await isThisServer(home, file.processId))) {
        setAsideStaleLock(postmasterFile(home), text)
        return undefined
      }
      if (file.status === 'ready') {
        unreachable ??= AbortSignal.timeout(unreachableAfterMilliseconds)
        if (!isAskedToStop && unreachable.aborted) {
          isAskedToStop = true
          await askToStop(home, file.processId)
        }
      }
    }
    await sleep(pauseMilliseconds)
  }
}

/** Its supervisor may have seen the last holder leave just before we came. */
async function staysUp(home: Home, file: PostmasterFile): Promise<boolean> {
  await sleep(6 * pauseMilliseconds)
  const now = readPostmaster(home)
  return now?.processId === file.processId && now.status === 'ready'
}

/** undefined when another server has the files at this moment. */
async function startServer(
  home: Home,
  hold: Hold,
  options: RunOptions,
): Promise<RunningServer | undefined> {
  const version = readIfThere(join(home.data, 'PG_VERSION'))
  const binaries = await findBinaries(home, version === undefined ? undefined : Number(version))
  if (!existsSync(home.data)) {
    options.log(`making a database with Postgres ${binaries.major} in ${home.folder}`)
    await initialiseCluster(home, binaries, options)
  }
  const socketDirectory = makeSocketDirectory(home)
  const settings = writeSettings(home, binaries.major, socketDirectory)
  const logDescriptor = openLog(home)
  const offset = logLength(home)
  const server = supervise(
    hold,
    [join(binaries.folder, 'postgres'), '-D', home.data, '-c', `config_file=${settings}`],
    { user: home.user, logDescriptor },
  )
  closeSync(logDescriptor)
  const processId = await server.processId
  if (processId !== undefined && (await becomesReady(home, processId, server.ended, options))) {
    return { processId, socketDirectory }
  }
  const said = readLogSince(home, offset, processId)
  if (isRetryable(said)) {
    clearStaleSocketLock(socketDirectory, said)
    return undefined
  }
  throw new Error(describeFailure(`Postgres does not start in ${home.folder}`, said, home.log))
}

async function becomesReady(
  home: Home,
  processId: number,
  ended: Promise<void>,
  options: RunOptions,
): Promise<boolean> {
  let hasEnded = false
  void ended.then(() => {
    hasEnded = true
  })
  let notice = AbortSignal.timeout(noticeMilliseconds)
  while (!hasEnded) {
    const file = readPostmaster(home)
    if (file?.processId === processId && file.status === 'ready') return true
    if (notice.aborted) {
      options.log('Postgres is still recovering after a crash')
      notice = AbortSignal.timeout(noticeMilliseconds)
    }
    await sleep(pauseMilliseconds)
  }
  return false
}

/** Another server was faster, or processes of a killed one have not ended yet. */
function isRetryable(said: string): boolean {
  return /lock file ".*" (?:already exists|is empty)|pre-existing shared memory block|could not read lock file/.test(
    said,
  )
}

/** The socket's lock file names a process that lives but is no server. No server has the folder: it is ours. */
function clearStaleSocketLock(socketDirectory: string, said: string): void {
  const path = `${socketFile(socketDirectory)}.lock`
  if (!said.includes('.s.PGSQL')) return
  const text = readIfThere(path)
  if (text !== undefined) setAsideStaleLock(path, text)
}
