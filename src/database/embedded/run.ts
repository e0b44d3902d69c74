import { spawn } from 'node:child_process'
import type { ServerUser } from './server-user.ts'

export interface Run {
  /** null when it could not be started at all or was ended by a signal */
  readonly status: number | null
  /** Node's code when it could not be started: `ENOENT`, `EACCES`, `EPERM` … */
  readonly startFault: string | undefined
  readonly stdout: string
  /** stdout and stderr together, in the order they came */
  readonly output: string
}

/**
 * What the programs of Postgres are given as environment: nothing of ours. No PGDATA or LD_PRELOAD of the
 * user changes what runs, no secret of the broker is inherited; a set TZ spares initdb a slow search.
 */
export const plainEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/',
  LC_ALL: 'C',
  TZ: 'UTC',
}

/** The part of spawn's options that makes a child run as the server's user, and away from our folder. */
export function asUser(user: ServerUser | null): { uid?: number; gid?: number; cwd: string } {
  return user === null ? { cwd: '/' } : { uid: user.uid, gid: user.gid, cwd: '/' }
}

/** Runs a program to its end and collects what it said. Never throws. */
export async function run(
  command: string,
  args: readonly string[],
  options: { user?: ServerUser | null; input?: string; inheritEnvironment?: boolean } = {},
): Promise<Run> {
  let stdout = ''
  let output = ''
  try {
    const child = spawn(command, args, {
      ...asUser(options.user ?? null),
      ...(options.inheritEnvironment ? {} : { env: plainEnvironment }),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      output += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.stdin.on('error', () => undefined) // it ended before it read everything; its status says why
    child.stdin.end(options.input ?? '')
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return { status, startFault: undefined, stdout, output }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    return { status: null, startFault: code, stdout, output: `cannot run ${command}: ${code}` }
  }
}
