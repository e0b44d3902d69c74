import { lstatSync } from 'node:fs'
import { userInfo } from 'node:os'
import { run } from './run.ts'

/** Who the server runs as when the broker is root, which Postgres refuses to be. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/**
 * null when the broker is not root: the server then runs as the broker's own user. As root: who owns the
 * database's files already, else who owns the data folder, else `nobody`. No user is ever created.
 */
export async function chooseServerUser(
  databaseFolder: string,
  dataDirectory: string,
): Promise<ServerUser | null> {
  if (process.getuid?.() !== 0) return null
  const filesOwner = ownerOf(databaseFolder)
  if (filesOwner === 0) {
    throw new Error(
      `The database files in ${databaseFolder} belong to root, and Postgres does not run as root. ` +
        `Give them to an unprivileged user: chown -R nobody "${databaseFolder}"`,
    )
  }
  const wanted = filesOwner ?? ownerOf(dataDirectory) ?? 0
  const user = wanted === 0 ? undefined : await lookUp(String(wanted))
  if (user !== undefined) return user
  if (filesOwner !== undefined) {
    throw new Error(
      `The database files in ${databaseFolder} belong to user id ${filesOwner}, which has no name on this ` +
        `machine. Add that user, or give the files to another: chown -R nobody "${databaseFolder}"`,
    )
  }
  const nobody = await lookUp('nobody')
  if (nobody === undefined) {
    throw new Error(
      'Postgres does not run as root and this machine has no user "nobody" to run it as. ' +
        'Start Hallpass as a normal user, or set DATABASE_URL.',
    )
  }
  return nobody
}

/**
 * The operating system users that the server lets in (pg_ident): whoever starts it, root, and the owner of
 * its files, who could read them anyway. `nobody` is shared with other services, so it is never let in.
 */
export function trustedUserNames(user: ServerUser | null): string[] {
  const names = new Set([currentUserName(), 'root'])
  if (user !== null && user.name !== 'nobody') names.add(user.name)
  return [...names]
}

function currentUserName(): string {
  try {
    return userInfo().username
  } catch (cause) {
    throw new Error(
      `User id ${process.getuid?.()} has no name on this machine, and Postgres needs one. Run Hallpass as a ` +
        'user that is listed in /etc/passwd, or set DATABASE_URL.',
      { cause },
    )
  }
}

function ownerOf(folder: string): number | undefined {
  return lstatSync(folder, { throwIfNoEntry: false })?.uid
}

async function lookUp(nameOrId: string): Promise<ServerUser | undefined> {
  const answers = await Promise.all(['-u', '-g', '-un'].map((flag) => run('id', [flag, nameOrId])))
  const [uid, gid, name] = answers.map((answer) => answer.stdout.trim())
  if (answers.some((answer) => answer.status !== 0) || !uid || !gid || !name) return undefined
  return { uid: Number(uid), gid: Number(gid), name }
}
