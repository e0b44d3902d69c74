import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Binaries } from './binaries.ts'
import { describeFailure } from './failures.ts'
import type { Home } from './home.ts'
import { run } from './run.ts'
import { setupStatements } from './settings.ts'

const partialPrefix = 'initialising-'
const abandonedAfterMilliseconds = 3_600_000

/**
 * Makes the database files, with roles and database, unless they are there. They appear under their final
 * name complete and flushed to disk, or not at all, so a crash or a second start in between does no harm.
 */
export async function initialiseCluster(
  home: Home,
  binaries: Binaries,
  options: { ownerMayCreateDatabases: boolean },
): Promise<void> {
  const partial = mkdtempSync(join(home.folder, partialPrefix))
  try {
    removeAbandoned(home, partial)
    if (home.user !== null) chownSync(partial, home.user.uid, home.user.gid)
    await makeFiles(home, binaries, partial, setupStatements(options))
    publish(home, partial)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

async function makeFiles(
  home: Home,
  binaries: Binaries,
  folder: string,
  statements: string,
): Promise<void> {
  const initdb = join(binaries.folder, 'initdb')
  // initdb's own flushing is left to the end: everything is flushed once
  await must(home, initdb, [
    `--pgdata=${folder}`,
    '--username=postgres',
    '--encoding=UTF8',
    '--locale=C',
    '--data-checksums',
    '--auth-local=reject',
    '--auth-host=reject',
    '--no-instructions',
    '--no-sync',
  ])
  const single = [
    '--single',
    '-F',
    '-D',
    folder,
    '-c',
    'exit_on_error=on',
    '-c',
    'log_checkpoints=off',
  ]
  await must(home, join(binaries.folder, 'postgres'), [...single, 'template1'], statements)
  await must(home, initdb, ['--sync-only', `--pgdata=${folder}`])
}

async function must(home: Home, command: string, args: string[], input = ''): Promise<void> {
  const outcome = await run(command, args, { user: home.user, input })
  if (outcome.status === 0) return
  throw new Error(describeFailure(`Cannot make the database in ${home.folder}`, outcome.output))
}

function publish(home: Home, partial: string): void {
  try {
    renameSync(partial, home.data)
  } catch (error) {
    if (existsSync(join(home.data, 'PG_VERSION'))) return // another start was faster
    throw error
  }
  const folder = openSync(home.folder, 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** What a start left behind that was killed. A young one may belong to a start that runs right now. */
function removeAbandoned(home: Home, own: string): void {
  const now = lstatSync(own).mtimeMs
  for (const name of readdirSync(home.folder).filter((one) => one.startsWith(partialPrefix))) {
    const path = join(home.folder, name)
    const changedAt = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now
    if (now - changedAt > abandonedAfterMilliseconds) rmSync(path, { recursive: true, force: true })
  }
}
