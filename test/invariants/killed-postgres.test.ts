import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEmbeddedServer } from '../../src/database/embedded/index.ts'
import { installationRoot } from '../../src/installation.ts'
import { type Client, call, clientWith, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { type BrokerProcess, type Installation, useInstallation } from './broker-process.ts'

const deaths = 2
const grantCount = 120
const people = ['alice', 'bob', 'carol', 'dana', 'sam']

/** A grant with a token, and what its revocation was answered with. */
interface Held {
  readonly grantId: string
  readonly token: string
  /** How many deaths of Postgres lay before the answer; undefined while nobody was told that it is revoked. */
  acknowledgedBefore: number | undefined
}

const folder = mkdtempSync(join(tmpdir(), 'hallpass-killed-'))
chmodSync(folder, 0o711) // as root the server runs as nobody, who must pass
const server = await startEmbeddedServer({ dataDirectory: folder, log: () => {} })
const url = (role: 'owner' | 'application') => {
  const { host, port, user, database } = server.connection(role)
  return `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})
const installation: Installation = await useInstallation({
  database: { ownerUrl: url('owner'), applicationUrl: url('application') },
})

let broker: BrokerProcess
let resource: string
const held: Held[] = []
const opened: string[] = []
let deathCount = 0

/** Every process and the one that started it. */
function parents(): Map<number, number> {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).split('\n')
  return new Map(lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]))
}

/** The postmaster and everything it started, at one blow, as when the machine loses them. */
async function killPostgres(): Promise<void> {
  const [backend] = await installation.query<{ id: number }>('select pg_backend_pid() as id')
  const parentOf = parents()
  const postmaster = parentOf.get(backend?.id ?? 0)
  if (postmaster === undefined) throw new Error('the postmaster is not known')
  const children = [...parentOf].filter(([, parent]) => parent === postmaster).map(([id]) => id)
  for (const id of [postmaster, ...children]) {
    try {
      process.kill(id, 'SIGKILL')
    } catch {
      // it ended meanwhile
    }
  }
  deathCount += 1
}

async function introspect(token: string): Promise<unknown> {
  const answer = await call(`${broker.url}/oauth/introspect`, {
    method: 'POST',
    headers: { Authorization: resource, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  })
  return answer.body
}

async function hold(client: Client): Promise<void> {
  const asked = await client.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: 3600,
    justification: 'to be revoked',
  })
  const minted = await client.post(`/v1/grants/${asked.body.grant_id}/tokens`)
  if (minted.status !== 201) throw new Error(`no token: ${JSON.stringify(minted.body)}`)
  const token = minted.body.access_token
  held.push({ grantId: asked.body.grant_id, token, acknowledgedBefore: undefined })
}

/** Revokes one after another until each is known to be revoked, as a person does who sees an error. */
async function revokeAll(admin: Client, mine: readonly Held[]): Promise<void> {
  for (const grant of mine) {
    for (;;) {
      const answer = await admin
        .post(`/v1/grants/${grant.grantId}/revoke`, { reason: 'under load' })
        .catch(() => undefined)
      if (answer?.status === 200) grant.acknowledgedBefore = deathCount
      // committed, and its answer was lost
      const isKnown = answer?.status === 200 || answer?.body.code === 'grant_ended'
      if (isKnown) break
      if (answer !== undefined)
        expect([answer.status, answer.body.code]).toEqual([503, 'cannot_decide'])
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function askOnAndOn(client: Client, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const answer = await client
      .post('/v1/requests', {
        role: 'billing-reader',
        duration_seconds: 1800,
        justification: 'asked under load',
      })
      .catch(() => undefined)
    if (answer?.status === 201) opened.push(answer.body.grant_id)
    else await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const acknowledged = () => held.filter((grant) => grant.acknowledgedBefore !== undefined)

beforeAll(async () => {
  broker = await installation.start()
  const clients = await Promise.all(people.map((name) => signIn(broker.url, `${name}@example.com`)))
  const [alice, bob, , , sam] = clients
  if (alice === undefined || bob === undefined || sam === undefined) throw new Error('nobody')
  const { body } = await bob.post('/v1/resources/billing-api/credentials')
  resource = `Basic ${Buffer.from(`${encodeURIComponent(body.client_id)}:${body.client_secret}`).toString('base64')}`
  for (let count = 0; count < grantCount; count += clients.length) {
    await Promise.all(clients.map(hold))
  }
  expect(await introspect(held[0]?.token ?? '')).toMatchObject({ active: true })
  const admin = clientWith(broker.url, sam.token)
  const workers = 6
  const share = Math.ceil(held.length / workers)
  let isOver = false
  const revoking = Promise.all(
    Array.from({ length: workers }, (_, worker) =>
      revokeAll(admin, held.slice(worker * share, (worker + 1) * share)),
    ),
  ).finally(() => {
    isOver = true
  })
  const asking = askOnAndOn(alice, () => isOver)
  for (let death = 1; death <= deaths; death += 1) {
    const enough = (held.length * death) / (deaths + 1)
    await until('some are revoked', () => acknowledged().length >= enough, 30)
    await killPostgres()
  }
  await revoking
  await asking
}, 180_000)

it('died under load, and came back by itself each time', () => {
  expect(deathCount).toBe(deaths)
  for (let death = 0; death <= deaths; death += 1) {
    expect(held.filter((grant) => grant.acknowledgedBefore === death).length).toBeGreaterThan(5)
  }
  expect(opened.length).toBeGreaterThan(5)
})

it('has every acknowledged revocation, once, with its audit entry', async () => {
  const rows = await installation.query<{ id: string; entries: number; revocations: number }>(
    `select g.id,
       (select count(*)::int from audit_entry e
        where e.grant_id = g.id and e.action = 'revoke-grant' and e.outcome = 'ok') as entries,
       (select count(*)::int from revocation v where v.target = g.id) as revocations
     from access_grant g where g.state = 'revoked'`,
  )
  const known = new Map(rows.map(({ id, ...row }) => [id, row]))
  for (const { grantId } of acknowledged()) {
    expect([grantId, known.get(grantId)]).toEqual([grantId, { entries: 1, revocations: 1 }])
  }
})

it('refuses every token that was revoked', async () => {
  for (const { token } of held) expect(await introspect(token)).toEqual({ active: false })
}, 30_000)

it('has every acknowledged grant', async () => {
  const rows = await installation.query('select id from access_grant where id = any($1)', [opened])
  expect(rows).toHaveLength(opened.length)
})

it('has an audit log that verifies, against the checkpoints outside the database too', async () => {
  await until('everything is sealed', async () => {
    const open = await installation.query('select 1 from audit_entry where position is null')
    return open.length === 0
  })
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      join(installationRoot, 'dist/src/cli/main.js'),
      ...['audit', 'verify', '--checkpoint', join(installation.dataDirectory, 'audit-checkpoints')],
    ],
    { cwd: installation.dataDirectory, env: { ...installation.environment } },
  )
  expect(stdout).toMatch(/hold/)
})
