import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A server in a process of its own. */
export interface ChildServer {
  readonly url: string
  stop(): Promise<void>
}

/**
 * Runs a built file with this Node until it prints `… ready at URL`. With `profileInto`, writes a CPU profile there
 * when it stops.
 */
export async function startChild(
  file: string,
  options: {
    readonly environment?: Readonly<Record<string, string>>
    readonly profileInto?: string | undefined
  } = {},
): Promise<ChildServer> {
  const { environment = {}, profileInto } = options
  const profiling = profileInto === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileInto}`]
  const child = spawn(process.execPath, [...profiling, file], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', process.env.BENCH_LOG === undefined ? 'ignore' : 'inherit'],
  })
  const exited = once(child, 'exit')
  // a bench that is interrupted leaves nothing behind
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const stop = async () => {
    process.off('exit', end)
    child.kill('SIGTERM')
    await exited
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const url = / ready at (\S+)$/.exec(line)?.[1]
    if (url === undefined) continue
    child.stdout.resume()
    return { url, stop }
  }
  throw new Error(`${file} ended before it was ready`)
}
