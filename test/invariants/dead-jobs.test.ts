import { setTimeout as sleep } from 'node:timers/promises'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type Client, call, clientWith, signIn } from '../support/client.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

const catalog = {
  version: 1,
  groups: { staff: ['alice@example.com', 'dana@example.com'], leads: ['bob@example.com'] },
  workloads: { bot: { owner: 'staff' } },
  resources: {
    api: {
      audience: 'https://api.example.com',
      owner: 'leads',
      sensitivity: 'high',
      scopes: { 'things:read': 'Read things' },
    },
  },
  roles: {
    reader: { resource: 'api', scopes: ['things:read'] },
    operator: { resource: 'api', scopes: ['things:read'] },
  },
  policies: [
    {
      name: 'read',
      roles: ['reader'],
      requesters: ['staff', 'workload:bot'],
      max_duration: '8h',
      approval: 'none',
    },
    {
      name: 'operate',
      roles: ['operator'],
      requesters: ['staff'],
      max_duration: '8h',
      answer_within: '3s',
      approval: [{ from: ['leads'], count: 1 }],
    },
  ],
}

const installation = await useInstallation({ catalog })
let broker: BrokerProcess
let alice: Client
let bob: Client
let bot: Client
let credential: string
let botSecret: Answer['body']

const ask = { role: 'reader', duration_seconds: 4, justification: 'for a moment' }

function form(path: string, fields: Record<string, string>, authorization: string) {
  return call(broker.url + path, {
    method: 'POST',
    headers: {
      Authorization: authorization,
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(fields).toString(),
  })
}

const basic = ({ client_id, client_secret }: Answer['body']) =>
  `Basic ${Buffer.from(`${encodeURIComponent(client_id)}:${client_secret}`).toString('base64')}`
const introspect = (token: string) => form('/oauth/introspect', { token }, credential)

async function grantOf(client: Client, change: object = {}): Promise<Answer['body']> {
  const asked = await client.post('/v1/requests', { ...ask, ...change })
  expect(asked.body).toMatchObject({ state: 'approved' })
  return (await client.get(`/v1/grants/${asked.body.grant_id}`)).body
}

beforeAll(async () => {
  broker = await installation.start({ runsJobs: false })
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
  credential = basic((await bob.post('/v1/resources/api/credentials')).body)
  botSecret = (await alice.post('/v1/workloads/bot/credentials')).body
  const session = await form('/oauth/token', { grant_type: 'client_credentials' }, basic(botSecret))
  bot = clientWith(broker.url, session.body.access_token)
}, 30_000)

interface Sample {
  readonly sentAt: number
  readonly answeredAt: number
  readonly isHonoured: boolean
  readonly code: string | undefined
}

/** Asks again and again until half a second after that instant, and at least three times after it. */
async function sampleUntil(
  instant: number,
  isHonoured: (answer: Answer) => boolean,
  send: () => Promise<Answer>,
): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  const isEnough = () =>
    Date.now() > instant + 500 && samples.filter(({ sentAt }) => sentAt >= instant).length >= 3
  while (!isEnough()) {
    const sentAt = Date.now()
    const answer = await send()
    samples.push({
      sentAt,
      answeredAt: Date.now(),
      isHonoured: isHonoured(answer),
      code: answer.body.code,
    })
    await sleep(10)
  }
  return samples
}

function expectHonouredOnlyBefore(samples: readonly Sample[], end: number): void {
  // `exp` is a whole second: up to one second before the grant itself
  const before = samples.filter(({ answeredAt }) => answeredAt < end - 1_000)
  const after = samples.filter(({ sentAt }) => sentAt >= end)
  expect(before.length).toBeGreaterThan(0)
  expect(after.length).toBeGreaterThan(0)
  expect(before.filter(({ isHonoured }) => !isHonoured)).toEqual([])
  expect(after.filter(({ isHonoured }) => isHonoured)).toEqual([])
}

describe('with every job dead', () => {
  it('refuses an ended grant at its second: mint, introspection, JWT and view', async () => {
    const grant = await grantOf(alice)
    const end = Date.parse(grant.ends_at)
    const token = (await alice.post(`/v1/grants/${grant.id}/tokens`)).body.access_token
    const [minted, introspected, shown] = await Promise.all([
      sampleUntil(
        end,
        ({ status }) => status === 201,
        () => alice.post(`/v1/grants/${grant.id}/tokens`),
      ),
      sampleUntil(
        end,
        ({ body }) => body.active,
        () => introspect(token),
      ),
      sampleUntil(
        end,
        ({ body }) => body.state === 'active',
        () => alice.get(`/v1/grants/${grant.id}`),
      ),
    ])
    for (const samples of [minted, introspected, shown]) expectHonouredOnlyBefore(samples, end)
    expect(minted.at(-1)?.code).toBe('grant_ended')
    const jwks = createRemoteJWKSet(new URL(`${broker.url}/oauth/jwks`))
    await expect(jwtVerify(token, jwks)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
    const viewed = await alice.get(`/v1/grants/${grant.id}`)
    expect(viewed.body).toMatchObject({ state: 'expired', ended_at: grant.ends_at })
    const [stored] = await installation.query('select state from access_grant where id = $1', [
      grant.id,
    ])
    expect(stored).toEqual({ state: 'active' })
  })

  it('lists it as expired, never as active, and lets nobody extend, suspend or revive it', async () => {
    const grant = await grantOf(alice, { duration_seconds: 1 })
    await sleep(Date.parse(grant.ends_at) - Date.now() + 5)
    const ids = async (state: string) =>
      (await alice.get(`/v1/grants?state=${state}`)).body.items.map((one: { id: string }) => one.id)
    expect(await ids('active')).not.toContain(grant.id)
    expect(await ids('expired')).toContain(grant.id)
    const extended = await alice.post(`/v1/grants/${grant.id}/extend`, {
      duration_seconds: 600,
      justification: 'more time',
    })
    expect([extended.status, extended.body.code]).toEqual([409, 'grant_ended'])
    for (const move of ['suspend', 'resume', 'revoke']) {
      const answer = await bob.post(`/v1/grants/${grant.id}/${move}`, { reason: 'too late' })
      expect([move, answer.status, answer.body.code]).toEqual([move, 409, 'grant_ended'])
    }
  })

  it('gives a workload no token from an ended grant', async () => {
    const grant = await grantOf(bot, { duration_seconds: 5 })
    const take = () =>
      form(
        '/oauth/token',
        {
          grant_type: 'client_credentials',
          scope: 'things:read',
          resource: 'https://api.example.com',
        },
        basic(botSecret),
      )
    const before = await take()
    expect(before.status).toBe(200)
    expect((await introspect(before.body.access_token)).body.active).toBe(true)
    await sleep(Date.parse(grant.ends_at) - Date.now())
    const after = await take()
    expect([after.status, after.body.error]).toEqual([400, 'access_denied'])
    expect((await introspect(before.body.access_token)).body).toEqual({ active: false })
  })

  it('starts a scheduled grant at its second', async () => {
    const startsAt = new Date(Date.now() + 2_500)
    const asked = await alice.post('/v1/requests', {
      ...ask,
      duration_seconds: 60,
      starts_at: startsAt.toISOString(),
    })
    const mint = () => alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
    expect((await mint()).body.code).toBe('grant_not_active')
    await sleep(startsAt.getTime() - Date.now() + 5)
    expect((await mint()).status).toBe(201)
  })

  it('refuses a review after answer_by, and shows the request as expired', async () => {
    const asked = await alice.post('/v1/requests', { ...ask, role: 'operator' })
    expect(asked.body.state).toBe('pending')
    await sleep(Date.parse(asked.body.answer_by) - Date.now())
    const reviewed = await bob.post(`/v1/requests/${asked.body.id}/reviews`, {
      verdict: 'approve',
    })
    expect([reviewed.status, reviewed.body.code]).toEqual([409, 'request_closed'])
    const viewed = await alice.get(`/v1/requests/${asked.body.id}`)
    expect(viewed.body).toMatchObject({ state: 'expired', grant_id: null })
    expect((await bob.get('/v1/requests?to_review=me')).body.items).toEqual([])
    // and does not stand in the way of the next
    const again = await alice.post('/v1/requests', { ...ask, role: 'operator' })
    expect(again.status).toBe(201)
  })

  it('was without a job all the time', async () => {
    expect(await installation.query('select 1 from job_run')).toEqual([])
    const sealed = await installation.query('select 1 from audit_entry where position is not null')
    expect(sealed).toEqual([])
  })
})
