import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Home } from './home.ts'
import { readIfThere } from './postmaster.ts'
import { trustedUserNames } from './server-user.ts'
import { hbaRules, identMap, longestSocketPath, serverSettings, socketFile } from './settings.ts'

const longestLogBytes = 5_000_000

/** Writes the server's settings and rules. @returns the path of the main settings file */
export function writeSettings(home: Home, major: number, socketDirectory: string): string {
  const inHome = (name: string) => join(home.folder, name)
  const [hbaFile, identFile] = [inHome('pg_hba.conf'), inHome('pg_ident.conf')]
  const customFile = inHome('custom.conf')
  replaceFile(hbaFile, hbaRules())
  replaceFile(identFile, identMap(trustedUserNames(home.user)))
  const settings = inHome('postgresql.conf')
  const hasCustomFile = existsSync(customFile)
  replaceFile(
    settings,
    serverSettings({ socketDirectory, hbaFile, identFile, customFile, hasCustomFile, major }),
  )
  return settings
}

/** The file's old content or the new, never half of it; and never through a link that somebody laid. */
function replaceFile(path: string, text: string): void {
  const fresh = `${path}.new-${process.pid}`
  rmSync(fresh, { force: true })
  writeFileSync(fresh, text, { flag: 'wx' })
  chmodSync(fresh, 0o644)
  renameSync(fresh, path)
}

/**
 * The folder of the socket, which only the server's user and root may enter: in the home, or in /tmp under a
 * random name where the home's path is too long for a socket. It stays the same over restarts.
 */
export function makeSocketDirectory(home: Home): string {
  const inHome = join(home.folder, 'run')
  if (Buffer.byteLength(socketFile(inHome)) <= longestSocketPath(process.platform)) {
    mkdirSync(inHome, { recursive: true, mode: 0o700 })
    if (!isPrivate(home, inHome)) makePrivate(home, inHome)
    return inHome
  }
  const record = socketRecord(home)
  const recorded = readIfThere(record)
  if (recorded !== undefined && isPrivate(home, recorded)) return recorded
  const fresh = mkdtempSync('/tmp/hallpass-')
  makePrivate(home, fresh)
  replaceFile(record, fresh)
  return fresh
}

/** Removes a socket folder outside the home, when the server has stopped. */
export function removeSocketDirectory(home: Home): void {
  const recorded = readIfThere(socketRecord(home))
  if (recorded === undefined) return
  if (isPrivate(home, recorded)) rmSync(recorded, { recursive: true, force: true })
  rmSync(socketRecord(home), { force: true })
}

function socketRecord(home: Home): string {
  return join(home.folder, 'socket-directory')
}

function makePrivate(home: Home, folder: string): void {
  chmodSync(folder, 0o700)
  if (home.user !== null) chownSync(folder, home.user.uid, home.user.gid)
}

function isPrivate(home: Home, folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false })
  const uid = home.user?.uid ?? process.getuid?.()
  return found?.isDirectory() === true && found.uid === uid && (found.mode & 0o077) === 0
}

/** Opens the log for appending. */
export function openLog(home: Home): number {
  boundLog(home)
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants
  const descriptor = openSync(home.log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600)
  if (home.owner !== null) fchownSync(descriptor, home.owner.uid, home.owner.gid)
  return descriptor
}

/** Keeps the log below about 10 MB: the newer part here, the older beside it. Safe while it is written. */
export function boundLog(home: Home): void {
  const found = lstatSync(home.log, { throwIfNoEntry: false })
  if (found === undefined || !found.isFile() || found.size <= longestLogBytes) return
  rmSync(`${home.log}.1`, { force: true })
  copyFileSync(home.log, `${home.log}.1`, constants.COPYFILE_EXCL)
  truncateSync(home.log)
}

/** How long the log is now, to read later what was added. */
export function logLength(home: Home): number {
  return statSync(home.log).size
}

/** What one server process wrote into the log since `offset`. */
export function readLogSince(home: Home, offset: number, processId: number | undefined): string {
  const lines = Buffer.from(readIfThere(home.log) ?? '')
    .subarray(offset)
    .toString()
    .split('\n')
  const own = lines.filter((line) => processId === undefined || line.includes(`[${processId}]`))
  return (own.length > 0 ? own : lines).join('\n')
}
