import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Answer, type Client, call, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'
import { type DatabaseProxy, startDatabaseProxy, type Way } from './database-proxy.ts'

const longestAnswerMilliseconds = 11_000
const ask = { role: 'billing-reader', duration_seconds: 3600, justification: 'look at an invoice' }

const proxy: DatabaseProxy = await startDatabaseProxy(inject('postgres').owner)
const installation = await useInstallation()
let broker: BrokerProcess
let alice: Client
let bob: Client
let sam: Client
let credential: string
let grantId: string
let otherGrantId: string
let pendingId: string
let token: string

function introspect(): Promise<Answer> {
  return call(`${broker.url}/oauth/introspect`, {
    method: 'POST',
    headers: { Authorization: credential, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  })
}

/** Every kind of call that decides or changes something. */
const calls: Record<string, () => Promise<Answer>> = {
  ask: () => alice.post('/v1/requests', ask),
  preview: () => alice.post('/v1/requests/preview', ask),
  review: () => bob.post(`/v1/requests/${pendingId}/reviews`, { verdict: 'approve' }),
  mint: () => alice.post(`/v1/grants/${grantId}/tokens`),
  extend: () =>
    alice.post(`/v1/grants/${grantId}/extend`, { duration_seconds: 60, justification: 'more' }),
  release: () => alice.post(`/v1/grants/${otherGrantId}/release`),
  revoke: () => sam.post(`/v1/grants/${otherGrantId}/revoke`, { reason: 'leaked' }),
  view: () => alice.get(`/v1/grants/${grantId}`),
  me: () => alice.get('/v1/me'),
  'sign-in': () =>
    call(`${broker.url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: 'alice@example.com' }),
    }),
}

interface Timed {
  readonly name: string
  readonly answer: Answer
  readonly milliseconds: number
}

async function timed(name: string, send: () => Promise<Answer>): Promise<Timed> {
  const startedAt = performance.now()
  const answer = await send()
  return { name, answer, milliseconds: performance.now() - startedAt }
}

function expectRefusal({ name, answer, milliseconds }: Timed): void {
  expect([name, answer.status, answer.body.code]).toEqual([name, 503, 'cannot_decide'])
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(milliseconds, name).toBeLessThan(longestAnswerMilliseconds)
}

beforeAll(async () => {
  const { ownerUrl, applicationUrl } = installation.database
  broker = await installation.start({
    environment: {
      DATABASE_URL: proxy.through(applicationUrl),
      HALLPASS_OWNER_DATABASE_URL: proxy.through(ownerUrl),
    },
  })
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
  sam = await signIn(broker.url, 'sam@example.com')
  const { body } = await bob.post('/v1/resources/billing-api/credentials')
  credential = `Basic ${Buffer.from(`${encodeURIComponent(body.client_id)}:${body.client_secret}`).toString('base64')}`
  grantId = (await alice.post('/v1/requests', ask)).body.grant_id
  otherGrantId = (await alice.post('/v1/requests', ask)).body.grant_id
  token = (await alice.post(`/v1/grants/${grantId}/tokens`)).body.access_token
  expect((await introspect()).body.active).toBe(true)
  const pending = await alice.post('/v1/requests', { ...ask, role: 'billing-operator' })
  pendingId = pending.body.id
}, 30_000)

afterAll(() => proxy.close())

const counts = () =>
  installation.query(
    `select (select count(*)::int from access_request) as requests,
       (select count(*)::int from review) as reviews,
       (select count(*)::int from issued_token) as tokens,
       (select count(*)::int from access_grant where state = 'active') as active,
       (select count(*)::int from session) as sessions`,
  )

describe.each<[string, Way]>([
  ['is cut', 'cut'],
  ['swallows everything without a word', 'silent'],
])('when the way to Postgres %s', (_, way) => {
  let before: unknown
  let inFlight: readonly Timed[]
  let refused: readonly Timed[]
  let introspected: Timed
  let probes: readonly Timed[]

  beforeAll(async () => {
    before = await counts()
    const reading = Object.entries(calls).filter(([name]) =>
      ['view', 'me', 'preview'].includes(name),
    )
    const flying = Promise.all(reading.map(([name, send]) => timed(name, send)))
    proxy.set(way)
    // more at once than the pool has connections
    const rounds = [1, 2, 3].flatMap(() => Object.entries(calls))
    const all = await Promise.all([
      flying,
      Promise.all(rounds.map(([name, send]) => timed(name, send))),
      timed('introspection', introspect),
      Promise.all(
        ['healthz', 'readyz', 'metrics'].map((path) =>
          timed(path, () => call(`${broker.url}/${path}`)),
        ),
      ),
    ])
    inFlight = all[0]
    refused = all[1]
    introspected = all[2]
    probes = all[3]
  }, 30_000)

  it('answers everything with 503 and when to try again, and nothing hangs', () => {
    for (const one of refused) expectRefusal(one)
  })

  it('lets no call hang that was under way', () => {
    for (const { answer, milliseconds } of inFlight) {
      expect([200, 503]).toContain(answer.status)
      expect(milliseconds).toBeLessThan(longestAnswerMilliseconds)
    }
  })

  it('never says that a token is good', () => {
    const { answer, milliseconds } = introspected
    expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable'])
    expect(answer.body.active).toBeUndefined()
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(milliseconds).toBeLessThan(longestAnswerMilliseconds)
  })

  it('is alive, not ready, and still tells its metrics', () => {
    const [health, ready, metrics] = probes
    expect(health?.answer.status).toBe(200)
    expect(health?.milliseconds).toBeLessThan(3_000)
    expect(ready?.answer.status).toBe(503)
    expect(ready?.answer.body.checks.database.ok).toBe(false)
    expect(metrics?.answer.body).toContain('hallpass_database_up 0')
    for (const one of [ready, metrics]) {
      expect(one?.milliseconds).toBeLessThan(longestAnswerMilliseconds)
    }
  })

  it('is right again by itself, and half of nothing was written', async () => {
    proxy.set('open')
    const isReady = async () => (await call(`${broker.url}/readyz`)).status === 200
    await until('it is ready again', isReady, 15)
    expect(await counts()).toEqual(before)
    expect((await introspect()).body.active).toBe(true)
    for (let round = 0; round < 30; round += 1) {
      expect((await alice.get('/v1/me')).status).toBe(200)
    }
    expect((await alice.post('/v1/requests/preview', ask)).body.decision).toBe('allow')
    expect((await alice.post(`/v1/grants/${grantId}/tokens`)).status).toBe(201)
  }, 30_000)
})

it('stops in good order after all that', () => broker.stop())
