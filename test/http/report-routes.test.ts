import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Client, call, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'

const broker = useTestBroker()
const path = '/v1/reports/unused-permissions'
let alice: Client
let bob: Client
let dana: Client
let sam: Client
let credential: { client_id: string; client_secret: string }

beforeAll(async () => {
  const people = ['alice', 'bob', 'dana', 'sam'].map((name) =>
    signIn(broker.url, `${name}@example.com`),
  )
  ;[alice, bob, dana, sam] = (await Promise.all(people)) as [Client, Client, Client, Client]
  credential = (await bob.post('/v1/resources/billing-api/credentials')).body
})

async function introspect(token: string, scope?: string): Promise<void> {
  const { client_id, client_secret } = credential
  const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64')
  const answer = await call(`${broker.url}/oauth/introspect`, {
    method: 'POST',
    headers: {
      Authorization: `Basic ${basic}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token, ...(scope === undefined ? {} : { scope }) }).toString(),
  })
  expect(answer).toMatchObject({ status: 200, body: { active: true } })
}

async function approvedGrant(holder: Client, role = 'billing-operator'): Promise<string> {
  const asked = await holder.post('/v1/requests', {
    role,
    duration_seconds: 3600,
    justification: 'to void a duplicate invoice',
  })
  expect(asked.status).toBe(201)
  if (asked.body.state === 'approved') return asked.body.grant_id
  const reviewed = await bob.post(`/v1/requests/${asked.body.id}/reviews`, { verdict: 'approve' })
  expect(reviewed.status).toBe(200)
  return reviewed.body.grant_id
}

async function tokenOf(holder: Client, grantId: string): Promise<string> {
  return (await holder.post(`/v1/grants/${grantId}/tokens`)).body.access_token
}

async function lastUsedAt(grantId: string): Promise<string | null> {
  return (await alice.get(`/v1/grants/${grantId}`)).body.last_used_at
}

describe('the report over HTTP', () => {
  let grantId: string

  it('says no_data of everything while no resource has told of any use', async () => {
    grantId = await approvedGrant(alice)
    const answer = await alice.get(path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(Object.keys(answer.body).sort()).toEqual(['generated_at', 'items', 'window_days'])
    expect(answer.body).toMatchObject({ window_days: 90 })
    expect(answer.body.items).toEqual([
      {
        subject: 'alice@example.com',
        resource: 'billing-api',
        role: 'billing-operator',
        granted_scopes: ['invoices:read', 'invoices:write'],
        used_scopes: [],
        unused_scopes: [],
        grant_count: 1,
        held_seconds: expect.any(Number),
        use_count: 0,
        last_used_at: null,
        status: 'no_data',
        suggestion: null,
      },
    ])
  })

  it('follows introspection, which moves last_used_at of the grant, where minting does not', async () => {
    const before = Date.now()
    const token = await tokenOf(alice, grantId)
    await approvedGrant(dana, 'billing-reader')
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(await lastUsedAt(grantId)).toBeNull()
    await introspect(token, 'invoices:read')
    await until('the use is seen', async () => (await lastUsedAt(grantId)) !== null, 5)
    const usedAt = await lastUsedAt(grantId)
    expect(Date.parse(usedAt ?? '')).toBeGreaterThanOrEqual(before)
    expect(Date.parse(usedAt ?? '')).toBeLessThanOrEqual(Date.now())
    const { items } = (await sam.get(path)).body
    expect(items).toMatchObject([
      {
        subject: 'alice@example.com',
        used_scopes: ['invoices:read'],
        unused_scopes: ['invoices:write'],
        status: 'partly_used',
        last_used_at: usedAt,
        suggestion: { role: 'billing-reader', scopes: ['invoices:read'], duration_seconds: 900 },
      },
      { subject: 'dana@example.com', role: 'billing-reader', status: 'unused', suggestion: null },
    ])
  })

  it('moves last_used_at at introspection without a scope, too', async () => {
    const token = await tokenOf(alice, grantId)
    const before = await lastUsedAt(grantId)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await introspect(token)
    await until('it has moved', async () => (await lastUsedAt(grantId)) !== before, 5)
  })

  it('shows admins all, owners their resources, others their own, whatever they filter for', async () => {
    const seenBy = async (client: Client, query = '') => {
      const answer = await client.get(`${path}${query}`)
      expect(answer.status).toBe(200)
      return answer.body.items.map((item: { subject: string }) => item.subject)
    }
    const all = ['alice@example.com', 'dana@example.com']
    expect(await seenBy(sam)).toEqual(all)
    expect(await seenBy(bob)).toEqual(all)
    expect(await seenBy(dana)).toEqual(['dana@example.com'])
    expect(await seenBy(dana, '?subject=alice%40example.com')).toEqual([])
    expect(await seenBy(sam, '?subject=alice%40example.com')).toEqual(['alice@example.com'])
    expect(await seenBy(alice, '?resource=billing-api')).toEqual(['alice@example.com'])
    expect(await seenBy(sam, '?resource=no-such-api')).toEqual([])
  })

  it.each(['0', '366', '-1', '1.5', 'many', '', '1e400'])(
    'refuses a window of %j days',
    async (days) => {
      const answer = await alice.get(`${path}?window_days=${days}`)
      expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_input' } })
      expect(answer.body.errors[0].pointer).toBe('/window_days')
    },
  )

  it('refuses another format, an unknown parameter, and whoever is not signed in', async () => {
    expect((await alice.get(`${path}?format=xml`)).body.errors[0].pointer).toBe('/format')
    expect((await alice.get(`${path}?windowdays=3`)).body.errors[0].pointer).toBe('/windowdays')
    expect((await call(broker.url + path)).status).toBe(401)
    const token = await tokenOf(alice, grantId)
    const asToken = await call(broker.url + path, { headers: { Authorization: `Bearer ${token}` } })
    expect(asToken.status).toBe(401)
  })
})

describe('as CSV', () => {
  it('has a line a row, to be saved and not run', async () => {
    const attacker = await signIn(broker.url, '=1+1@example.com').catch(() => undefined)
    expect(attacker).toBeUndefined()
    await broker.broker.services.database.read((db) =>
      db.execute(`update access_grant set role = '=cmd|''/c calc''!a1,b'
                  where subject = 'dana@example.com'`),
    )
    const answer = await sam.get(`${path}?format=csv&window_days=30`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toContain('attachment')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    const [header, first, second, end] = String(answer.body).split('\r\n')
    expect(header).toBe(
      'subject,resource,role,status,granted_scopes,used_scopes,unused_scopes,grant_count,held_seconds,use_count,last_used_at,suggested_role,suggested_scopes,suggested_duration_seconds',
    )
    expect(first).toMatch(
      /^alice@example\.com,billing-api,billing-operator,partly_used,invoices:read invoices:write,invoices:read,invoices:write,1,\d+,0,[^,]+Z,billing-reader,invoices:read,900$/,
    )
    expect(second).toMatch(/^dana@example\.com,billing-api,"'=cmd\|'\/c calc'!a1,b",unused,/)
    expect(end).toBe('')
  })
})

describe('POST …/keep', () => {
  const keep = (client: Client, body: object, headers = {}) =>
    client.post(`${path}/keep`, body, headers)
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const good = { role: 'billing-operator', reason: 'month end' }

  it('answers 204, is in the audit log, and repeats with its Idempotency-Key', async () => {
    const body = { ...good, until: inDays(90) }
    const key = { 'Idempotency-Key': 'keep-1' }
    expect((await keep(alice, body, key)).status).toBe(204)
    const again = await keep(alice, body, key)
    expect(again.status).toBe(204)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const audit = await sam.get('/v1/audit?action=keep-permission&unsealed=true')
    expect(audit.body.items).toMatchObject([
      {
        actor: { kind: 'person', id: 'alice@example.com', via: 'api' },
        subject: 'alice@example.com',
        resource: 'billing-api',
        outcome: 'ok',
        details: { role: 'billing-operator', reason: 'month end', until: body.until },
      },
    ])
  })

  it.each([
    ['/until', { ...good, until: 'tomorrow' }],
    ['/until', { ...good, until: '2020-01-01T00:00:00Z' }],
    ['/until', { ...good, until: '9999-12-31T00:00:00Z' }],
    ['/until', good],
    ['/role', { ...good, role: 'no-such-role', until: '2000-01-01T00:00:00Z' }],
    ['/reason', { ...good, reason: '', until: '2000-01-01T00:00:00Z' }],
    ['/subject', { ...good, subject: 'bob@example.com', until: '2000-01-01T00:00:00Z' }],
  ])('refuses a fault at %s', async (pointer, body) => {
    const answer = await keep(alice, body)
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_input' } })
    expect(answer.body.errors.map((each: { pointer: string }) => each.pointer)).toEqual([pointer])
  })
})

describe('the process', () => {
  it('tells how recording fares', async () => {
    const metrics = String((await call(`${broker.url}/metrics`)).body)
    expect(metrics).toMatch(/^hallpass_uses_waiting \d+$/m)
    expect(metrics).toMatch(/^hallpass_uses_lost_total 0$/m)
    expect(metrics).toMatch(/^hallpass_token_mints_total [1-9]/m)
  })

  it('writes what it observed before it stops', async () => {
    const grantId = await approvedGrant(alice, 'billing-reader')
    await introspect(await tokenOf(alice, grantId), 'invoices:read')
    await broker.restart()
    expect(await lastUsedAt(grantId)).not.toBeNull()
  })
})
