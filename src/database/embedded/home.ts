import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmdirSync,
  symlinkSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { describeFailure } from './failures.ts'
import { run } from './run.ts'
import { chooseServerUser, type ServerUser } from './server-user.ts'

/** Where one embedded server keeps its things. */
export interface Home {
  readonly folder: string
  /** the database files; exists once they are complete */
  readonly data: string
  readonly log: string
  /** a named pipe: the server runs for as long as somebody has it open for writing */
  readonly holders: string
  /** where binaries go that cannot be used in place */
  readonly binaries: string
  /** null: the broker's own user */
  readonly user: ServerUser | null
  /** Who owns the folder itself when that is not the broker's user. Root trusts nothing inside it. */
  readonly owner: ServerUser | null
}

const systemFolder = '/var/lib/hallpass'

/**
 * Makes the server's folder `<dataDirectory>/postgres`. As root and where the unprivileged user cannot reach
 * that (a folder under a 0700 one), it lies under /var/lib/hallpass and a link leads there.
 */
export async function prepareHome(dataDirectory: string): Promise<Home> {
  const given = resolve(dataDirectory)
  if (/[\r\n]/.test(given))
    throw new Error('HALLPASS_DATA_DIR contains a line break: use another folder.')
  const isRoot = process.getuid?.() === 0
  mkdirSync(given, { recursive: true, mode: isRoot ? 0o711 : 0o700 })
  const entry = join(given, 'postgres')
  const folder = followLink(entry)
  const user = await chooseServerUser(join(folder, 'data'), given)
  const owner = user !== null && user.uid === lstatSync(given).uid ? user : null
  makeFolder(folder, owner)
  if (user === null) refuseForeignFiles(folder)
  if (user === null || (await canReach(user, folder))) return layOut(folder, user, owner)
  if (await openFor(user, given, folder)) return layOut(folder, user, owner)
  if (existsSync(join(folder, 'data'))) {
    throw new Error(
      `The user ${user.name}, who runs the server, cannot reach ${folder} any more. ` +
        'Let others pass through its parent folders again: chmod o+x on each.',
    )
  }
  return layOut(relocate(entry, folder), user, null)
}

/** Whether a data folder holds a database. Changes nothing. */
export function hasEmbeddedDatabase(dataDirectory: string): boolean {
  return existsSync(join(resolve(dataDirectory), 'postgres', 'data'))
}

function layOut(folder: string, user: ServerUser | null, owner: ServerUser | null): Home {
  return {
    folder,
    data: join(folder, 'data'),
    log: join(folder, 'server.log'),
    holders: join(folder, 'holders'),
    binaries: user === null ? join(folder, 'binaries') : join(systemFolder, 'binaries'),
    user,
    owner,
  }
}

function followLink(entry: string): string {
  if (!lstatSync(entry, { throwIfNoEntry: false })?.isSymbolicLink()) return entry
  if (existsSync(entry)) return realpathSync(entry)
  throw new Error(
    `${entry} leads to a folder that is gone. Restore that folder, or delete the link to start empty.`,
  )
}

function makeFolder(folder: string, owner: ServerUser | null): void {
  const exists = existsSync(folder)
  // others may pass, not look: the server's user must reach its own folders inside
  const isShared = process.getuid?.() === 0 && owner === null
  if (!exists) {
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, isShared ? 0o711 : 0o700)
    if (owner !== null) chownSync(folder, owner.uid, owner.gid)
  }
  accessSync(folder, constants.W_OK | constants.X_OK)
}

function refuseForeignFiles(folder: string): void {
  const uid = lstatSync(join(folder, 'data'), { throwIfNoEntry: false })?.uid
  if (uid === undefined || uid === process.getuid?.()) return
  throw new Error(
    `The database files in ${folder} belong to user id ${uid}. Start Hallpass as that user (or as root), ` +
      'or set HALLPASS_DATA_DIR to another folder.',
  )
}

async function canReach(user: ServerUser, folder: string): Promise<boolean> {
  const visit = await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { user })
  if (visit.startFault === undefined) return visit.status === 0
  throw new Error(describeFailure(`Cannot run as the user ${user.name}`, visit.startFault))
}

/**
 * Where only the data folder itself is closed, as root's own are by default, the server's group may pass it
 * (0710). Undone when that does not help.
 */
async function openFor(user: ServerUser, given: string, folder: string): Promise<boolean> {
  const { uid, gid, mode } = lstatSync(given)
  if (uid !== 0 || (mode & 0o077) !== 0) return false
  chownSync(given, uid, user.gid)
  chmodSync(given, 0o710)
  if (await canReach(user, folder)) return true
  chownSync(given, uid, gid)
  chmodSync(given, mode & 0o7777)
  return false
}

/** Moves an empty home to where an unprivileged user can reach it. Safe when two do it at once. */
function relocate(entry: string, folder: string): string {
  if (folder === entry) rmdirSync(entry)
  mkdirSync(systemFolder, { recursive: true, mode: 0o711 })
  chmodSync(systemFolder, 0o711)
  const target = mkdtempSync(join(systemFolder, 'postgres-'))
  chmodSync(target, 0o711)
  try {
    symlinkSync(target, entry)
    return target
  } catch (error) {
    rmdirSync(target)
    if (lstatSync(entry, { throwIfNoEntry: false })?.isSymbolicLink()) return realpathSync(entry)
    throw error
  }
}
