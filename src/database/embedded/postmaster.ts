import { readFileSync, readlinkSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import type { Home } from './home.ts'
import { type PostmasterFile, parsePostmasterFile } from './postmaster-file.ts'
import { run } from './run.ts'
import { socketFile } from './settings.ts'

export function postmasterFile(home: Home): string {
  return join(home.data, 'postmaster.pid')
}

/** What the server wrote about itself; undefined when there is no such file or it makes no sense. */
export function readPostmaster(home: Home): PostmasterFile | undefined {
  const text = readIfThere(postmasterFile(home))
  return text === undefined ? undefined : parsePostmasterFile(text)
}

/** Whether the process lives; a zombie that nobody reaped does not. */
export function isAlive(processId: number): boolean {
  return hasProcess(processId) && stateInLinux(processId)?.state !== 'Z'
}

/** Whether that number belongs to any process, be it a zombie. */
export function hasProcess(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Whether that living process is the server of this home. After a crash or in a new container its number
 * may belong to something else. In doubt it is taken for the server.
 */
export async function isThisServer(home: Home, processId: number): Promise<boolean> {
  const seen = stateInLinux(processId)
  if (seen !== undefined) {
    if (seen.name !== 'postgres') return false
    try {
      return readlinkSync(`/proc/${processId}/cwd`) === realpathSync(home.data)
    } catch {
      return true
    }
  }
  const listed = await run('ps', ['-o', 'comm=', '-p', String(processId)])
  return listed.status !== 0 || /postgres/.test(listed.stdout)
}

/** Whether somebody accepts connections on the server's socket. */
export async function isReachable(socketDirectory: string): Promise<boolean> {
  if (socketDirectory === '') return false
  return await new Promise((resolve) => {
    const socket = createConnection(socketFile(socketDirectory))
    const answer = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.setTimeout(2_000, () => answer(false))
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}

/** Asks the server to stop: clients are disconnected, everything is written. As its own user, never as root. */
export async function askToStop(home: Home, processId: number): Promise<void> {
  await run('/bin/sh', ['-c', 'kill -INT "$1"', 'sh', String(processId)], { user: home.user })
}

/**
 * Takes a lock file away that a dead server left and whose process number something else has now. Postgres
 * itself would believe that other process to be a server. A file that changed meanwhile is put back.
 */
export function setAsideStaleLock(path: string, judged: string): void {
  const aside = `${path}.stale-${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return // gone already
  }
  if (readIfThere(aside) === judged) rmSync(aside, { force: true })
  else renameSync(aside, path)
}

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function stateInLinux(processId: number): { name: string; state: string } | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const found = /^\d+ \((.*)\) (\S)/s.exec(readFileSync(`/proc/${processId}/stat`, 'utf8'))
    return found?.[1] === undefined || found[2] === undefined
      ? undefined
      : { name: found[1], state: found[2] }
  } catch {
    return undefined
  }
}
