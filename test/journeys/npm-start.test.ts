import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/broker.ts'
import { call } from '../support/client.ts'
import { startMain } from '../support/main-process.ts'
import { until } from '../support/until.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-npm-start-'))
chmodSync(folder, 0o711) // as root the server runs as nobody, who must pass
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Pairs of a process and its parent; not every machine has `ps`. */
function parents(): readonly (readonly [number, number])[] {
  if (!existsSync('/proc/self/stat')) {
    const listed = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    return [...listed.matchAll(/^\s*(\d+)\s+(\d+)/gm)].map(([, pid, parent]) => [
      Number(pid),
      Number(parent),
    ])
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        return [[Number(pid), Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2])] as const]
      } catch {
        return [] // it ended meanwhile
      }
    })
}

/** Every process below these, and themselves. */
function family(roots: readonly number[]): number[] {
  const pairs = parents()
  const found = new Set(roots)
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const [pid, parent] of pairs) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function startWithNpm() {
  const environment = {
    HOME: folder,
    PORT: String(await freePort()),
    HALLPASS_DATA_DIR: join(folder, 'data'),
  }
  const started = startMain(environment, ['npm', 'start'], { isGroupLeader: true })
  const url = await started.ready
  const postmaster = readFileSync(
    join(folder, 'data', 'postgres', 'data', 'postmaster.pid'),
    'utf8',
  )
  const { pid } = started.child
  if (pid === undefined) throw new Error('npm was not started')
  const processes = family([pid, Number(postmaster.split('\n')[0])])
  expect(processes.length).toBeGreaterThan(4)
  return { ...started, url, pid, processes }
}

const allGone = (processes: readonly number[]) =>
  until('every process has ended', () => !processes.some(isAlive), 30)

describe('npm start', () => {
  it('ends whole at a SIGTERM to npm alone: broker, Postgres and all', {
    timeout: 90_000,
  }, async () => {
    const { child, ended, url, processes } = await startWithNpm()
    const signedIn = await call(`${url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: 'alice@example.com' }),
    })
    expect(signedIn.status).toBe(200)
    child.kill('SIGTERM')
    await ended
    await allGone(processes)
  })

  it('ends gracefully at Ctrl-C, which reaches the whole group, and keeps what it has', {
    timeout: 90_000,
  }, async () => {
    const { ended, pid, processes, err } = await startWithNpm()
    process.kill(-pid, 'SIGINT')
    const { status } = await ended
    await allGone(processes)
    expect(err()).toContain('"message":"stopping"')
    expect(err()).not.toContain('making a database')
    expect(status).toBe(0)
  })
})
