import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { useTestBroker } from '../support/broker.ts'
import { type Answer, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import * as shapes from './contract-shapes.ts'
import { type Call, DescribedApi } from './described-api.ts'
import { departures } from './json-schema.ts'

const broker = useTestBroker()
let api: DescribedApi
const tokens = new Map<string, string>()

beforeAll(async () => {
  api = await DescribedApi.read(broker.url)
})

/** The calls of CONTRACTS §4 that the broker has; the others come with their rooms. */
const contracted = [
  'POST /dev/sign-in',
  'GET /v1/me',
  'GET /v1/me/sessions',
  'DELETE /v1/me/sessions/{id}',
  'POST /v1/sign-out',
  'GET /v1/catalog',
  'POST /v1/requests/preview',
  'POST /v1/requests',
  'GET /v1/requests',
  'GET /v1/requests/{id}',
  'POST /v1/requests/{id}/reviews',
  'POST /v1/requests/{id}/cancel',
  'POST /v1/requests/{id}/comments',
  'GET /v1/grants',
  'GET /v1/grants/{id}',
  'POST /v1/grants/{id}/tokens',
  'POST /v1/grants/{id}/revoke',
  'POST /v1/grants/{id}/suspend',
  'POST /v1/grants/{id}/resume',
  'POST /v1/grants/{id}/release',
  'POST /v1/grants/{id}/extend',
  'POST /v1/subjects/{subject}/revoke',
  'POST /v1/subjects/{subject}/disable',
  'POST /v1/subjects/{subject}/enable',
  'POST /v1/resources/{name}/revoke',
  'POST /v1/resources/{name}/credentials',
  'GET /v1/resources/{name}/credentials',
  'DELETE /v1/resources/{name}/credentials/{client_id}',
  'POST /v1/workloads/{name}/credentials',
  'GET /v1/workloads/{name}/credentials',
  'DELETE /v1/workloads/{name}/credentials/{client_id}',
  'GET /v1/audit',
  'GET /v1/audit/checkpoint',
  'GET /v1/reports/unused-permissions',
  'POST /v1/reports/unused-permissions/keep',
]

async function bearer(name: string): Promise<Record<string, string>> {
  const token = tokens.get(name) ?? (await signIn(broker.url, `${name}@example.com`)).token
  tokens.set(name, token)
  return { Authorization: `Bearer ${token}` }
}

async function as(
  name: string,
  asked: Omit<Call, 'headers'>,
  status: number,
  shape?: z.ZodType,
): Promise<Answer> {
  return api.call({ ...asked, headers: await bearer(name) }, status, shape)
}

const ask = {
  role: 'billing-operator',
  duration_seconds: 3600,
  justification: 'void a duplicate invoice',
  ticket: 'INC-42',
}

async function askFor(name: string, changes: object = {}): Promise<Answer['body']> {
  const body = { ...ask, ...changes }
  const path = '/v1/requests'
  return (await as(name, { method: 'POST', path, body }, 201, shapes.requestShape)).body
}

async function approve(name: string, id: string, more: object = {}): Promise<Answer['body']> {
  const path = '/v1/requests/{id}/reviews'
  const body = { verdict: 'approve', ...more }
  return (await as(name, { method: 'POST', path, fill: { id }, body }, 200, shapes.requestShape))
    .body
}

async function grantFor(name: string, reviewer: string): Promise<string> {
  const { id } = await askFor(name)
  return (await approve(reviewer, id)).grant_id
}

describe('identity answers as the contract says', () => {
  it('sign-in, me, sessions, sign-out', async () => {
    const body = { subject: 'Alice@example.com' }
    const signed = await api.call(
      { method: 'POST', path: '/dev/sign-in', body },
      200,
      shapes.sessionTokenShape,
    )
    tokens.set('alice', signed.body.access_token)
    const me = await as('alice', { method: 'GET', path: '/v1/me' }, 200, shapes.meShape)
    expect(me.body).toMatchObject({
      subject: 'alice@example.com',
      kind: 'person',
      groups: ['engineering', 'everyone'],
      is_admin: false,
    })
    const other = await signIn(broker.url, 'alice@example.com')
    const path = '/v1/me/sessions'
    const list = await as('alice', { method: 'GET', path }, 200, shapes.sessionsShape)
    expect(list.body.items.map((item: { is_current: boolean }) => item.is_current)).toEqual([
      false,
      true,
    ])
    const fill = { id: list.body.items[0].id }
    const deleted = await as('alice', { method: 'DELETE', path: `${path}/{id}`, fill }, 204)
    expect(deleted.body).toBe('')
    expect((await other.get('/v1/me')).status).toBe(401)
    await as('alice', { method: 'POST', path: '/v1/sign-out' }, 204)
    await as('alice', { method: 'GET', path: '/v1/me' }, 401, shapes.problemShape())
    tokens.delete('alice')
  })
})

describe('catalog and requests answer as the contract says', () => {
  it('the catalog and its explanation', async () => {
    const path = '/v1/catalog'
    const seen = await as('alice', { method: 'GET', path }, 200, shapes.catalogShape)
    expect(seen.body.roles).toContainEqual({
      name: 'billing-operator',
      resource: 'billing-api',
      scopes: ['invoices:read', 'invoices:write'],
      is_self_service: false,
      seat_count: 1,
      max_duration_seconds: 4 * 3600,
      default_duration_seconds: 3600,
    })
    const body = { role: 'billing-operator', duration_seconds: 3600 }
    await as('alice', { method: 'POST', path: '/v1/catalog/explain', body }, 200)
  })

  it.each([
    ['review', ask, 'billing-operate'],
    ['allow', { ...ask, role: 'billing-reader' }, 'billing-read'],
    ['deny', { ...ask, duration_seconds: 999_999 }, 'billing-operate'],
    ['deny', { ...ask, role: 'no-such-role' }, null],
  ])('a preview that says %s', async (decision, body, policy) => {
    const path = '/v1/requests/preview'
    const seen = await as('alice', { method: 'POST', path, body }, 200, shapes.previewShape)
    expect(seen.body).toMatchObject({ decision, policy })
  })

  it('ask, ask again, look, comment, cancel', async () => {
    const { id } = await askFor('alice')
    const path = '/v1/requests'
    const again = await as('alice', { method: 'POST', path, body: ask }, 200, shapes.requestShape)
    expect(again.body.id).toBe(id)
    const one = `${path}/{id}`
    await as('alice', { method: 'GET', path: one, fill: { id } }, 200, shapes.requestShape)
    const query = 'to_review=me&state=pending&subject=alice@example.com'
    const list = await as('bob', { method: 'GET', path, query }, 200, shapes.requestsShape)
    expect(list.body.items.map((item: { id: string }) => item.id)).toEqual([id])
    const body = { text: 'which invoice?' }
    const comments = `${one}/comments`
    const said = await as(
      'bob',
      { method: 'POST', path: comments, fill: { id }, body },
      200,
      shapes.requestShape,
    )
    expect(said.body.comments).toMatchObject([{ author: 'bob@example.com', ...body }])
    const cancel = { method: 'POST', path: `${one}/cancel`, fill: { id } } as const
    const cancelled = await as('alice', cancel, 200, shapes.requestShape)
    expect(cancelled.body).toMatchObject({ state: 'cancelled', version: 2 })
  })

  it('a review with everything in it', async () => {
    const { id } = await askFor('alice')
    const reviewed = await approve('bob', id, {
      comment: 'reading is enough',
      scopes: ['invoices:read'],
      duration_seconds: 600,
      version: 1,
    })
    expect(reviewed).toMatchObject({
      state: 'approved',
      scopes: ['invoices:read'],
      approval: [{ from: ['payments-leads'], count: 1, approved_by: ['bob@example.com'] }],
    })
  })

  it('an emergency and its review', async () => {
    const { id } = await askFor('dana', { is_break_glass: true, duration_seconds: 600 })
    const accepted = await approve('sam', id)
    expect(accepted).toMatchObject({ is_break_glass: true, after_review: 'accepted' })
  })
})

describe('grants answer as the contract says', () => {
  const path = '/v1/grants/{id}'
  const why = { reason: 'the laptop is lost' }

  it('look, mint, extend, suspend, resume, revoke', async () => {
    const id = await grantFor('alice', 'bob')
    const fill = { id }
    const post = (act: string, body: object) =>
      ({ method: 'POST', path: `${path}/${act}`, fill, body }) as const
    await as('alice', { method: 'GET', path, fill }, 200, shapes.grantShape)
    const query = 'state=active&resource=billing-api&subject=alice@example.com&limit=1'
    const list = { method: 'GET', path: '/v1/grants', query } as const
    await as('bob', list, 200, shapes.grantsShape)
    const minted = await as(
      'alice',
      post('tokens', { scopes: ['invoices:read'] }),
      201,
      shapes.tokenShape,
    )
    const claims = decodeJwt(minted.body.access_token)
    expect(shapes.claimsShape.safeParse(claims).error?.issues).toBeUndefined()
    const more = { duration_seconds: 600, justification: 'it takes longer than I thought' }
    const longer = await as('alice', post('extend', more), 201, shapes.requestShape)
    expect(longer.body).toMatchObject({ extends_grant_id: id, state: 'pending', grant_id: null })
    const again = await as('alice', post('extend', more), 200, shapes.requestShape)
    expect(again.body.id).toBe(longer.body.id)
    await as('sam', post('suspend', why), 200, shapes.grantShape)
    await as('sam', post('resume', why), 200, shapes.grantShape)
    const revoked = await as('bob', post('revoke', why), 200, shapes.grantShape)
    expect(revoked.body).toMatchObject({
      state: 'revoked',
      ended_by: 'bob@example.com',
      end_reason: why.reason,
    })
  })

  it('release', async () => {
    const { grant_id: id } = await askFor('alice', { role: 'billing-reader' })
    const release = { method: 'POST', path: `${path}/release`, fill: { id } } as const
    const released = await as('alice', release, 200, shapes.grantShape)
    expect(released.body).toMatchObject({ state: 'released', ended_by: 'alice@example.com' })
  })

  it('revoke, disable, enable a subject', async () => {
    await askFor('dana', { role: 'billing-reader' })
    for (const act of ['revoke', 'disable', 'enable']) {
      const path = `/v1/subjects/{subject}/${act}`
      const fill = { subject: 'dana@example.com' }
      const ended = await as(
        'sam',
        { method: 'POST', path, fill, body: why },
        200,
        shapes.endedShape,
      )
      expect(ended.body.grants_revoked > 0).toBe(act === 'revoke')
    }
    tokens.delete('dana')
  })
})

describe('credentials and OAuth answer as the contract says', () => {
  it.each([
    ['resources', 'billing-api', 'sam'],
    ['workloads', 'invoice-bot', 'alice'],
  ])('credentials of %s', async (kind, name, who) => {
    const path = `/v1/${kind}/{name}/credentials`
    const fill = { name }
    const made = await as(who, { method: 'POST', path, fill }, 201, shapes.createdCredentialShape)
    const list = await as(who, { method: 'GET', path, fill }, 200, shapes.credentialsShape)
    const ids = list.body.items.map((item: { client_id: string }) => item.client_id)
    expect(ids).toContain(made.body.client_id)
    expect(JSON.stringify(list.body)).not.toContain(made.body.client_secret)
    const one = { ...fill, client_id: made.body.client_id }
    await as(who, { method: 'DELETE', path: `${path}/{client_id}`, fill: one }, 204)
  })

  it('a workload signs in, asks and takes a token; a resource introspects it; it is taken back', async () => {
    const credential = async (path: string, name: string, who: string) =>
      (await as(who, { method: 'POST', path, fill: { name } }, 201)).body
    const bot = await credential('/v1/workloads/{name}/credentials', 'invoice-bot', 'alice')
    const resource = await credential('/v1/resources/{name}/credentials', 'billing-api', 'sam')
    const basic = {
      Authorization: `Basic ${btoa(`${resource.client_id}:${resource.client_secret}`)}`,
    }
    const form = { grant_type: 'client_credentials', ...bot }
    const token = { method: 'POST', path: '/oauth/token' } as const
    const session = await api.call({ ...token, form }, 200, shapes.sessionTokenShape)
    const headers = { Authorization: `Bearer ${session.body.access_token}` }
    const body = { ...ask, role: 'billing-reader' }
    await api.call(
      { method: 'POST', path: '/v1/requests', body, headers },
      201,
      shapes.requestShape,
    )
    const target = { resource: 'https://billing.example.com', scope: 'invoices:read' }
    const minted = await api.call(
      { ...token, form: { ...form, ...target } },
      200,
      shapes.tokenShape,
    )
    expect(decodeJwt(minted.body.access_token)).toMatchObject({
      sub: 'workload:invoice-bot',
      client_id: 'invoice-bot',
    })
    const about = { token: minted.body.access_token, scope: 'invoices:read' }
    const look = { method: 'POST', path: '/oauth/introspect', headers: basic, form: about } as const
    const active = await api.call(look, 200, shapes.introspectionShape)
    expect(active.body.active).toBe(true)
    const back = { ...bot, token: about.token }
    await api.call({ method: 'POST', path: '/oauth/revoke', form: back }, 200)
    const gone = await api.call(look, 200, shapes.introspectionShape)
    expect(gone.body).toEqual({ active: false })
    await api.call({ ...token, form: { ...form, client_secret: 'wrong' } }, 401)
    await api.call({ ...token, form: { grant_type: 'password' } }, 400)
  })

  it.each([
    '/oauth/jwks',
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
  ])('%s', async (path) => {
    const { body } = await api.call({ method: 'GET', path }, 200)
    expect(Object.keys(body).length).toBeGreaterThan(0)
  })

  it('a resource reads what is revoked', async () => {
    const path = '/v1/resources/{name}/credentials'
    const made = await as('sam', { method: 'POST', path, fill: { name: 'billing-api' } }, 201)
    const { client_id, client_secret } = made.body
    const headers = { Authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` }
    await api.call({ method: 'GET', path: '/v1/revocations', headers }, 200)
  })
})

describe('ending everything on a resource answers as the contract says', () => {
  it('revoke a resource', async () => {
    await askFor('alice', { role: 'billing-reader', duration_seconds: 90 })
    const path = '/v1/resources/{name}/revoke'
    const fill = { name: 'billing-api' }
    const body = { reason: 'the key was in a log' }
    const ended = await as('bob', { method: 'POST', path, fill, body }, 200, shapes.endedShape)
    expect(ended.body.grants_revoked).toBeGreaterThan(0)
  })
})

describe('audit and reports answer as the contract says', () => {
  it('entries, checkpoint, key and proofs', async () => {
    await until('two entries are sealed', async () => {
      const list = { method: 'GET', path: '/v1/audit', query: 'limit=2' } as const
      return (await as('sam', list, 200, shapes.auditShape)).body.next_cursor !== null
    })
    const query = 'unsealed=true&limit=200'
    const all = await as('sam', { method: 'GET', path: '/v1/audit', query }, 200, shapes.auditShape)
    const actions = all.body.items.map((item: { action: string }) => item.action)
    expect(actions).toContain('apply-catalog')
    for (const path of ['/v1/audit/checkpoint', '/v1/audit/verifier-key']) {
      const { headers } = await as('sam', { method: 'GET', path }, 200)
      expect(headers.get('content-type')).toMatch(/^text\/plain/)
    }
    await as('sam', { method: 'GET', path: '/v1/audit/inclusion', query: 'position=1' }, 200)
    await as('sam', { method: 'GET', path: '/v1/audit/consistency', query: 'from=1' }, 200)
  })

  it('unused permissions, in both forms, and what is kept', async () => {
    await askFor('alice', { role: 'billing-reader', duration_seconds: 60 })
    const path = '/v1/reports/unused-permissions'
    const report = await as('sam', { method: 'GET', path }, 200, shapes.unusedPermissionsShape)
    expect(report.body.items.length).toBeGreaterThan(0)
    const csv = await as('sam', { method: 'GET', path, query: 'format=csv' }, 200)
    expect(csv.body.split('\n').length).toBeGreaterThan(1)
    const until = new Date(Date.now() + 86_400_000).toISOString()
    const body = { role: 'billing-reader', reason: 'the month ends soon', until }
    await as('alice', { method: 'POST', path: `${path}/keep`, body }, 204)
  })
})

describe('/openapi.json', () => {
  /** A stream has no end to wait for; its own tests read it. */
  const streams = ['GET /v1/revocations/stream']

  it('has every call of the contract', () => {
    expect(api.operations()).toEqual(expect.arrayContaining(contracted))
    expect(api.description.openapi).toBe('3.1.0')
  })

  it('describes nothing that was not answered with success above', () => {
    const missing = api
      .operations()
      .filter((name) => !api.done.has(name) && !streams.includes(name))
    expect(missing).toEqual([])
  })

  it('asks for credentials where it says so', async () => {
    for (const name of api.operations()) {
      const security = api.securityOf(name)
      if (security === undefined) continue
      expect(Object.keys(api.description.components.securitySchemes)).toContain(security)
      const [method = '', path = ''] = name.split(' ')
      const asked = { method: method as Call['method'], path }
      const answer = await api.send({ ...asked, ...(method === 'POST' ? { body: {} } : {}) })
      expect({ name, status: answer.status }).toEqual({ name, status: 401 })
      expect(shapes.problemShape().safeParse(answer.body).error?.issues).toBeUndefined()
    }
  })

  it('has only patterns and references that a client can follow', () => {
    const text = JSON.stringify(api.description)
    const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name = '']) => name,
    )
    expect(Object.keys(api.description.components.schemas)).toEqual(
      expect.arrayContaining([...new Set(names)]),
    )
    for (const [, pattern = ''] of text.matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g)) {
      const source: string = JSON.parse(`"${pattern}"`)
      expect(() => new RegExp(source, 'u')).not.toThrow()
      expect(source).not.toMatch(/\/[a-z]*$/)
    }
  })
})

describe('the checker itself', () => {
  const schema = {
    type: 'object',
    properties: { at: { type: ['string', 'null'], format: 'date-time' }, n: { type: 'integer' } },
    required: ['at'],
  }

  it.each([
    [{ at: '2026-03-02T09:00:00.000Z', n: 1 }, 0],
    [{ at: null }, 0],
    [{ n: 1 }, 1],
    [{ at: null, more: 1 }, 1],
    [{ at: 'today' }, 1],
    [{ at: null, n: 0.5 }, 1],
    [[], 1],
  ])('finds in %j as many departures as there are (%i)', (value, count) => {
    expect(departures(schema, value, {})).toHaveLength(count)
  })
})
