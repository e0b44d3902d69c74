import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { brokerEnvironment, useTestBroker } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'

// the command as people start it: what only a process of its own can show
const broker = useTestBroker()
const state = mkdtempSync(join(tmpdir(), 'hallpass-state-'))
afterAll(() => rmSync(state, { recursive: true, force: true }))
const command = join(installationRoot, 'bin', 'hallpass.js')

const environment = (extra: Readonly<Record<string, string>> = {}) => ({
  PATH: process.env.PATH ?? '',
  HOME: state,
  XDG_STATE_HOME: state,
  HALLPASS_URL: broker.url,
  ...extra,
})

function start(argv: readonly string[], extra: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, [command, ...argv], { env: environment(extra), cwd: state })
}

interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

function endOf(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  return new Promise((resolve) =>
    child.on('close', (status, signal) => resolve({ status, signal, out, err })),
  )
}

const run = (...argv: string[]) => endOf(start(argv))
let alice: Client
let grant: string

beforeAll(async () => {
  alice = await signIn(broker.url, 'alice@example.com')
  const asked = await alice.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: 600,
    justification: 'look at an invoice',
  })
  grant = asked.body.grant_id
})

describe('hallpass as a process', () => {
  it('signs in, and leaves a session that only its owner can read', async () => {
    expect(await run('login', '--as', 'alice@example.com')).toEqual({
      status: 0,
      signal: null,
      out: `Signed in to ${broker.url} as alice@example.com.\n`,
      err: '',
    })
    expect(statSync(join(state, 'hallpass', 'session.json')).mode & 0o777).toBe(0o600)
  })

  it('puts the token on stdout alone, ready for $(…)', async () => {
    const { status, out, err } = await run('token', grant)
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/)
  })

  it('ends with the statuses of the contract', async () => {
    expect((await run('token', 'grt_nothing')).status).toBe(1)
    expect((await run('token')).status).toBe(2)
    const ask = ['request', 'billing-operator', '--for', '1h', '--why', 'void a duplicate invoice']
    expect((await run(...ask, '--wait-for', '1s')).status).toBe(3)
    expect((await endOf(start(['whoami'], { XDG_STATE_HOME: tmpdir() }))).status).toBe(4)
    expect(
      (
        await endOf(
          start(['whoami'], { HALLPASS_URL: 'http://127.0.0.1:9', HALLPASS_SESSION: 'hps_x' }),
        )
      ).status,
    ).toBe(5)
  })

  it('takes no offence when its reader stops reading', async () => {
    const child = start(['catalog', 'show', '--json'])
    child.stdout.destroy()
    const { status, err } = await endOf(child)
    expect([status, err]).toEqual([0, ''])
  })

  it('stops waiting at Ctrl-C, and the request stays', async () => {
    const child = start([
      ...['request', 'billing-operator', '--for', '1h', '--why', 'void a duplicate invoice'],
      '--wait',
    ])
    const ended = endOf(child)
    await new Promise<void>((resolve) =>
      child.stderr.on('data', (chunk) => {
        if (String(chunk).includes('waits for')) resolve()
      }),
    )
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ signal: 'SIGINT', out: '' })
    const { body } = await alice.get('/v1/requests?state=pending')
    expect(body.items).toHaveLength(1)
    await alice.post(`/v1/requests/${body.items[0].id}/cancel`)
  })

  it('acts on the database as the user of this machine, from any folder', async () => {
    const child = start(
      ['--json', 'keys', 'list'],
      brokerEnvironment(broker.database, 8080, join(state, 'data')),
    )
    const { status, out, err } = await endOf(child)
    expect([status, err]).toEqual([0, ''])
    expect(JSON.parse(out).items).toHaveLength(2)
  })
})
