import { beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { grantRoutes } from '../../src/http/grant-routes.ts'
import type { Router } from '../../src/http/routing.ts'
import { subjectRoutes } from '../../src/http/subject-routes.ts'
import { createSession } from '../../src/identity/index.ts'
import { useGrantFixture } from '../access/grant-fixture.ts'
import { httpServices } from '../support/http-services.ts'

const use = useGrantFixture()
let app: Router
const bearers = new Map<string, string>()

beforeAll(async () => {
  const { services } = use().test
  app = createApp(httpServices(services), { modules: [grantRoutes, subjectRoutes] })
})

async function bearerOf(name: string): Promise<string> {
  const subject = `${name}@example.com`
  const known = bearers.get(subject)
  if (known !== undefined) return known
  const { services } = use().test
  const { accessToken } = await services.database.transaction((tx) =>
    createSession(tx, services, { subject, via: 'api', authenticatedBy: 'development' }),
  )
  bearers.set(subject, accessToken)
  return accessToken
}

interface Sent {
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

async function send(name: string, method: 'GET' | 'POST', path: string, sent: Sent = {}) {
  const response = await app.request(path, {
    method,
    headers: {
      Authorization: `Bearer ${await bearerOf(name)}`,
      'Content-Type': 'application/json',
      ...sent.headers,
    },
    ...(method === 'POST' ? { body: JSON.stringify(sent.body ?? {}) } : {}),
  })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}

const post = (name: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  send(name, 'POST', path, { body, ...(headers === undefined ? {} : { headers }) })
const get = (name: string, path: string) => send(name, 'GET', path)

describe('/v1/grants', () => {
  it('shows a grant with exactly the fields of the contract', async () => {
    const grant = await use().insertGrant()
    const answer = await get('alice', `/v1/grants/${grant.id}`)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      id: grant.id,
      request_id: grant.requestId,
      subject: 'alice@example.com',
      resource: 'billing-api',
      audience: 'https://billing.example.com',
      role: 'billing-operator',
      scopes: ['invoices:read'],
      state: 'active',
      starts_at: grant.startsAt.toISOString(),
      ends_at: grant.endsAt.toISOString(),
      ended_at: null,
      ended_by: null,
      end_reason: null,
      last_used_at: null,
    })
  })

  it('lists by page and filter', async () => {
    const fixture = use()
    fixture.test.clock.advance(1)
    const older = await fixture.insertGrant({ subject: 'dana@example.com' })
    fixture.test.clock.advance(1)
    const newer = await fixture.insertGrant({ subject: 'dana@example.com' })
    const first = await get('dana', '/v1/grants?limit=1&state=active')
    expect(first.body).toMatchObject({ items: [{ id: newer.id }] })
    const second = await get('dana', `/v1/grants?limit=1&cursor=${first.body.next_cursor}`)
    expect(second.body).toMatchObject({ items: [{ id: older.id }], next_cursor: null })
    const others = await get('dana', '/v1/grants?subject=alice@example.com')
    expect(others.body).toEqual({ items: [], next_cursor: null })
  })

  it.each([
    ['?limit=0', 'invalid_input'],
    ['?limit=201', 'invalid_input'],
    ['?limit=ten', 'invalid_input'],
    ['?state=ended', 'invalid_input'],
    ['?subject=a%00b', 'invalid_input'],
    ['?subject=a&subject=b', 'invalid_input'],
    ['?cursor=elsewhere', 'invalid_cursor'],
  ])('refuses %s', async (query, code) => {
    const answer = await get('alice', `/v1/grants${query}`)
    expect([answer.status, answer.body.code]).toEqual([422, code])
  })

  it('answers 404 for what one may not see, and 422 for an id that could never be', async () => {
    const grant = await use().insertGrant()
    expect((await get('zoe', `/v1/grants/${grant.id}`)).status).toBe(404)
    expect((await get('zoe', '/v1/grants/grt_1')).body.code).toBe('not_found')
    expect((await get('zoe', '/v1/grants/grt_%00')).body.code).toBe('invalid_input')
  })

  it('revokes, suspends, resumes and releases', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant()
    const reason = { reason: 'odd calls' }
    const stopped = await post('bob', `/v1/grants/${id}/suspend`, reason)
    expect([stopped.status, stopped.body.state]).toEqual([200, 'suspended'])
    const resumed = await post('bob', `/v1/grants/${id}/resume`, reason)
    expect([resumed.status, resumed.body.state]).toEqual([200, 'active'])
    const revoked = await post('bob', `/v1/grants/${id}/revoke`, reason)
    expect(revoked.body).toMatchObject({
      state: 'revoked',
      ended_by: 'bob@example.com',
      end_reason: 'odd calls',
    })
    const again = await post('bob', `/v1/grants/${id}/revoke`, reason)
    expect([again.status, again.body.code]).toEqual([409, 'grant_ended'])
    const other = await fixture.insertGrant()
    const notMine = await post('bob', `/v1/grants/${other.id}/release`)
    expect([notMine.status, notMine.body.code]).toEqual([403, 'not_holder'])
    const released = await post('alice', `/v1/grants/${other.id}/release`)
    expect([released.status, released.body.state]).toEqual([200, 'released'])
  })

  it.each([
    ['no reason', {}, '/reason'],
    ['a reason that is no text', { reason: 7 }, '/reason'],
    ['an empty reason', { reason: '' }, '/reason'],
    ['a reason of 501 characters', { reason: 'x'.repeat(501) }, '/reason'],
    ['an unknown field', { reason: 'x', force: true }, '/force'],
  ])('refuses %s and points at it', async (_, body, pointer) => {
    const { id } = await use().insertGrant()
    const answer = await post('bob', `/v1/grants/${id}/revoke`, body)
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ code: 'invalid_input', errors: [{ pointer }] })
  })

  it('answers a repeated revoke with its key as the first time', async () => {
    const { id } = await use().insertGrant()
    const key = { 'Idempotency-Key': 'revoke-1' }
    const first = await post('bob', `/v1/grants/${id}/revoke`, { reason: 'once' }, key)
    const second = await post('bob', `/v1/grants/${id}/revoke`, { reason: 'once' }, key)
    expect(second.status).toBe(200)
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('Idempotent-Replayed')).toBe('true')
    const other = await post('bob', `/v1/grants/${id}/revoke`, { reason: 'twice' }, key)
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused'])
  })

  it('needs a session', async () => {
    const answer = await app.request('/v1/grants')
    expect(answer.status).toBe(401)
  })
})

describe('/v1/subjects and /v1/resources', () => {
  it('end everything of a subject, for admins', async () => {
    const fixture = use()
    const subject = 'erin@example.com'
    await fixture.insertGrant({ subject })
    const refused = await post('bob', `/v1/subjects/${subject}/revoke`, { reason: 'x' })
    expect([refused.status, refused.body.code]).toEqual([403, 'not_permitted'])
    const ended = await post('sam', `/v1/subjects/${subject}/revoke`, { reason: 'x' })
    expect([ended.status, ended.body]).toEqual([200, { grants_revoked: 1 }])
    const workload = await post('sam', '/v1/subjects/workload:invoice-bot/revoke', {
      reason: 'x',
    })
    expect([workload.status, workload.body]).toEqual([200, { grants_revoked: 0 }])
  })

  it('disable a person, whose session is over at once, and enable them again', async () => {
    const carol = await bearerOf('carol')
    const headers = { Authorization: `Bearer ${carol}` }
    expect((await app.request('/v1/grants', { headers })).status).toBe(200)
    await post('sam', '/v1/subjects/carol@example.com/disable', { reason: 'left' })
    expect((await app.request('/v1/grants', { headers })).status).toBe(401)
    const enabled = await post('sam', '/v1/subjects/carol%40example.com/enable', {
      reason: 'came back',
    })
    expect(enabled.body).toEqual({ grants_revoked: 0 })
    expect((await app.request('/v1/grants', { headers })).status).toBe(401)
  })

  it('end everything on a resource, for its owners', async () => {
    await use().insertGrant({ resource: 'ledger-api' })
    const refused = await post('bob', '/v1/resources/ledger-api/revoke', { reason: 'x' })
    expect(refused.status).toBe(403)
    const ended = await post('sam', '/v1/resources/ledger-api/revoke', { reason: 'x' })
    expect(ended.body).toEqual({ grants_revoked: 1 })
    const unknown = await post('sam', '/v1/resources/nothing/revoke', { reason: 'x' })
    expect([unknown.status, unknown.body.code]).toEqual([404, 'not_found'])
  })
})
