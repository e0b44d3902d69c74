import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Client, call, clientWith, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

const twoHours = 7_200
const ask = { role: 'billing-reader', duration_seconds: 3600, justification: 'look at an invoice' }

const installation = await useInstallation()
let healthy: BrokerProcess
let alice: Client
let credential: string

const isReady = async (broker: BrokerProcess) =>
  (await fetch(`${broker.url}/readyz`)).status === 200

async function introspect(broker: BrokerProcess, token: string) {
  return call(`${broker.url}/oauth/introspect`, {
    method: 'POST',
    headers: { Authorization: credential, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  })
}

beforeAll(async () => {
  healthy = await installation.start({ runsJobs: false })
  alice = await signIn(healthy.url, 'alice@example.com')
  const bob = await signIn(healthy.url, 'bob@example.com')
  const { body } = await bob.post('/v1/resources/billing-api/credentials')
  credential = `Basic ${Buffer.from(`${encodeURIComponent(body.client_id)}:${body.client_secret}`).toString('base64')}`
}, 30_000)

describe.each([
  ['ahead', twoHours],
  ['behind', -twoHours],
])('a broker whose clock is two hours %s', (_, offset) => {
  let wrong: BrokerProcess
  let grantId: string
  let token: string

  beforeAll(async () => {
    wrong = await installation.start({ clockOffsetSeconds: offset })
    grantId = (await alice.post('/v1/requests', ask)).body.grant_id
    token = (await alice.post(`/v1/grants/${grantId}/tokens`)).body.access_token
  }, 30_000)

  it('is not ready, and says by how much', async () => {
    const { status, body } = await call(`${wrong.url}/readyz`)
    expect(status).toBe(503)
    expect(body.checks.clock).toMatchObject({ ok: false })
    expect(body.checks.clock.message).toContain(offset > 0 ? ' 7200' : ' -7200')
    expect(body.checks.database).toEqual({ ok: true })
  })

  it('decides nothing: ask, review, mint and introspection answer 503', async () => {
    const dana = await signIn(healthy.url, 'dana@example.com')
    const pending = await dana.post('/v1/requests', {
      ...ask,
      role: 'billing-operator',
      justification: `to be reviewed ${offset}`,
    })
    const at = async (name: string) => signIn(wrong.url, `${name}@example.com`)
    const [aliceThere, bobThere] = [await at('alice'), await at('bob')]
    const answers = [
      await aliceThere.post('/v1/requests', ask),
      await aliceThere.post(`/v1/grants/${grantId}/tokens`),
      await bobThere.post(`/v1/requests/${pending.body.id}/reviews`, { verdict: 'approve' }),
      await aliceThere.post(`/v1/grants/${grantId}/extend`, {
        duration_seconds: 600,
        justification: 'more time',
      }),
    ]
    for (const { status, body, headers } of answers) {
      expect([status, body.code]).toEqual([503, 'cannot_decide'])
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
    const introspected = await introspect(wrong, token)
    expect(introspected.status).toBe(503)
    expect(introspected.body.error).toBe('temporarily_unavailable')
    const [reviews] = await installation.query(
      'select count(*)::int as count from review where request_id = $1',
      [pending.body.id],
    )
    expect(reviews).toEqual({ count: 0 })
    await dana.post(`/v1/requests/${pending.body.id}/cancel`)
  })

  it('still takes access away, at the time that it is', async () => {
    const samThere = await signIn(wrong.url, 'sam@example.com')
    const revoked = await samThere.post(`/v1/grants/${grantId}/revoke`, { reason: 'leaked' })
    expect([revoked.status, revoked.body.state]).toEqual([200, 'revoked'])
    expect((await introspect(healthy, token)).body).toEqual({ active: false })
    const [row] = await installation.query<{ late: number }>(
      'select abs(extract(epoch from now() - ended_at))::float as late from access_grant where id = $1',
      [grantId],
    )
    expect(row?.late).toBeLessThan(10)
    expect((await alice.post(`/v1/grants/${grantId}/tokens`)).body.code).toBe('grant_ended')
  })

  it('ended no grant of others and forgot nothing, though its jobs ran', async () => {
    const [ended] = await installation.query(
      `select count(*)::int as count from access_grant where state = 'expired' and ends_at > now()`,
    )
    expect(ended).toEqual({ count: 0 })
    const kept = await installation.query('select 1 from revocation where target = $1', [grantId])
    expect(kept).toHaveLength(1)
    await wrong.stop()
  })
})

describe('a clock that is set while the broker runs', () => {
  it('stops decisions at once, without waiting for the next measurement', async () => {
    const broker = await installation.start({ runsJobs: false })
    const there = clientWith(broker.url, alice.token)
    const short = await there.post('/v1/requests', { ...ask, duration_seconds: 5 })
    const mint = () => there.post(`/v1/grants/${short.body.grant_id}/tokens`)
    expect((await mint()).status).toBe(201)
    const { body } = await there.get(`/v1/grants/${short.body.grant_id}`)
    await sleep(Date.parse(body.ends_at) - Date.now() + 50)
    expect((await mint()).body.code).toBe('grant_ended')
    // measured every 2 s: the best moment to lie is right after a measurement, so several are tried
    for (let round = 0; round < 6; round += 1) {
      await broker.setClockOffset(-10)
      const answer = await mint()
      expect([answer.status, answer.body.code]).toEqual([503, 'cannot_decide'])
      await broker.setClockOffset(0)
      await sleep(170)
    }
    await until('it is ready again', () => isReady(broker))
    expect((await there.post('/v1/requests', ask)).status).toBe(201)
    await broker.stop()
  })

  it('is not ready within 5 s, and is again when the clock is right', async () => {
    const broker = await installation.start({ runsJobs: false })
    expect(await isReady(broker)).toBe(true)
    await broker.setClockOffset(twoHours)
    await until('it is not ready', async () => !(await isReady(broker)), 5)
    await broker.setClockOffset(0)
    await until('it is ready again', () => isReady(broker), 5)
    await broker.stop()
  })
})
