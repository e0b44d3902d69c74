import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { installationRoot } from '../../src/installation.ts'

/** How a broker's process ended. */
export interface ProcessEnd {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

/** The compiled broker in a process of its own. */
export interface MainProcess {
  readonly child: ChildProcess
  /** Everything on stdout so far. */
  out(): string
  /** Everything on stderr so far. */
  err(): string
  /** The address of the ready line; rejects with stderr when the process ends before. */
  readonly ready: Promise<string>
  readonly ended: Promise<ProcessEnd>
}

/** Starts `dist/src/main.js`, or another command, with this environment alone. */
export function startMain(
  environment: Readonly<Record<string, string>>,
  command: readonly [string, ...string[]] = [
    process.execPath,
    join(installationRoot, 'dist', 'src', 'main.js'),
  ],
  options: { readonly cwd?: string; readonly isGroupLeader?: boolean } = {},
): MainProcess {
  const [file, ...args] = command
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd ?? installationRoot,
    detached: options.isGroupLeader ?? false,
  })
  let out = ''
  let err = ''
  const ended = new Promise<ProcessEnd>((resolve) =>
    child.on('close', (status, signal) => resolve({ status, signal })),
  )
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      out += chunk
      const url = /^hallpass ready at (\S+)$/m.exec(out)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.stderr?.on('data', (chunk) => {
      err += chunk
    })
    void ended.then(({ status }) => reject(new Error(`it ended with ${status}:\n${err}`)))
  })
  ready.catch(() => {})
  return { child, out: () => out, err: () => err, ready, ended }
}
