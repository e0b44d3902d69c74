import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Client, call, signIn } from '../support/client.ts'

const broker = useTestBroker()
const people: Record<'alice' | 'bob' | 'carol' | 'dana' | 'sam', Client | undefined> = {
  alice: undefined,
  bob: undefined,
  carol: undefined,
  dana: undefined,
  sam: undefined,
}
const as = (name: keyof typeof people): Client => {
  const client = people[name]
  if (client === undefined) throw new Error(`${name} has not signed in`)
  return client
}

beforeAll(async () => {
  for (const name of ['alice', 'bob', 'carol', 'dana', 'sam'] as const) {
    people[name] = await signIn(broker.url, `${name}@example.com`)
  }
})

const ask = {
  role: 'billing-operator',
  duration_seconds: 3600,
  justification: 'void a duplicate invoice',
}

async function withdraw(id: string): Promise<void> {
  await as('alice').post(`/v1/requests/${id}/cancel`)
}

const requestMembers = [
  'after_review',
  'answer_by',
  'approval',
  'catalog_version',
  'comments',
  'created_at',
  'duration_seconds',
  'eligible_reviewers',
  'extends_grant_id',
  'grant_id',
  'id',
  'is_break_glass',
  'justification',
  'policy',
  'requested_duration_seconds',
  'requested_scopes',
  'resource',
  'reviews',
  'role',
  'scopes',
  'starts_at',
  'state',
  'subject',
  'ticket',
  'version',
]

describe('POST /v1/requests', () => {
  it('answers 201 with exactly the promised members, then 200 with the first', async () => {
    const first = await as('alice').post('/v1/requests', ask)
    expect(first.status).toBe(201)
    expect(first.headers.get('cache-control')).toBe('no-store')
    expect(Object.keys(first.body).sort()).toEqual(requestMembers)
    expect(first.body).toMatchObject({
      state: 'pending',
      approval: [{ from: ['payments-leads'], count: 1, approved_by: [] }],
      eligible_reviewers: ['bob@example.com', 'carol@example.com'],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
    const again = await as('alice').post('/v1/requests', ask)
    expect(again.status).toBe(200)
    expect(again.body).toEqual(first.body)
    const other = await as('alice').post('/v1/requests', { ...ask, duration_seconds: 60 })
    expect(other.status).toBe(409)
    expect(other.headers.get('content-type')).toBe('application/problem+json')
    expect(other.body).toMatchObject({ code: 'already_pending', request_id: first.body.id })
    await withdraw(first.body.id)
  })

  it.each([
    ['an unknown member', { ...ask, reason: 'x' }, '/reason'],
    ['no role', { ...ask, role: undefined }, '/role'],
    ['a number as role', { ...ask, role: 7 }, '/role'],
    ['a text as duration', { ...ask, duration_seconds: '3600' }, '/duration_seconds'],
    ['half a second', { ...ask, duration_seconds: 0.5 }, '/duration_seconds'],
    ['negative time', { ...ask, duration_seconds: -1 }, '/duration_seconds'],
    ['a date without time', { ...ask, starts_at: '2026-03-02' }, '/starts_at'],
    ['a past start', { ...ask, starts_at: '2020-01-01T00:00:00Z' }, '/starts_at'],
    ['one scope as text', { ...ask, scopes: 'invoices:read' }, '/scopes'],
    ['a control character', { ...ask, justification: 'void an invoice\u0000' }, '/justification'],
  ])('refuses %s and points at it', async (_, body, pointer) => {
    const { status, body: problem } = await as('alice').post('/v1/requests', body)
    expect(status).toBe(422)
    expect(problem.code).toBe('invalid_input')
    expect(problem.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
  })

  it('tells every reason why it is outside policy', async () => {
    const { status, body } = await as('alice').post('/v1/requests', {
      ...ask,
      duration_seconds: 14_401,
      justification: 'short',
    })
    expect(status).toBe(422)
    expect(body).toMatchObject({
      code: 'outside_policy',
      reasons: [{ code: 'duration_too_long' }, { code: 'justification_too_short' }],
    })
  })

  it('with an Idempotency-Key is done once, and answered again', async () => {
    const key = { 'Idempotency-Key': 'ask-1' }
    const self = { ...ask, role: 'billing-reader', duration_seconds: 60 }
    const first = await as('alice').post('/v1/requests', self, key)
    const again = await as('alice').post('/v1/requests', self, key)
    expect(first.status).toBe(201)
    expect(again).toMatchObject({ status: 201, body: first.body })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const another = await as('alice').post('/v1/requests', { ...self, duration_seconds: 61 }, key)
    expect(another).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })
    const others = await as('dana').post('/v1/requests', self, key)
    expect(others.body.id).not.toBe(first.body.id)
  })

  it('is for those who signed in', async () => {
    const answer = await call(`${broker.url}/v1/requests`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(ask),
    })
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
  })
})

describe('POST /v1/requests/preview', () => {
  it('answers 200 for any well-formed body', async () => {
    const good = await as('alice').post('/v1/requests/preview', ask)
    expect(good.status).toBe(200)
    expect(Object.keys(good.body).sort()).toEqual([
      'approval',
      'decision',
      'eligible_reviewers',
      'max_duration_seconds',
      'policy',
      'reasons',
    ])
    expect(good.body.approval).toEqual([{ from: ['payments-leads'], count: 1 }])
    for (const changes of [
      { role: 'emperor' },
      { duration_seconds: 1_000_000 },
      { starts_at: '2020-01-01T00:00:00Z' },
      { is_break_glass: true, role: 'billing-reader' },
    ]) {
      const bad = await as('alice').post('/v1/requests/preview', { ...ask, ...changes })
      expect(bad).toMatchObject({ status: 200, body: { decision: 'deny' } })
      expect(bad.body.reasons.length).toBeGreaterThan(0)
    }
    const malformed = await as('alice').post('/v1/requests/preview', {
      ...ask,
      duration_seconds: 0,
    })
    expect(malformed.status).toBe(422)
  })
})

describe('POST /v1/requests/{id}/reviews', () => {
  it('narrows, completes, and answers the request as it is then', async () => {
    const { body: asked } = await as('alice').post('/v1/requests', ask)
    const reviewed = await as('bob').post(`/v1/requests/${asked.id}/reviews`, {
      verdict: 'approve',
      scopes: ['invoices:read'],
      duration_seconds: 600,
      comment: 'reading will do',
      version: 1,
    })
    expect(reviewed.status).toBe(200)
    expect(Object.keys(reviewed.body).sort()).toEqual(requestMembers)
    expect(reviewed.body).toMatchObject({
      state: 'approved',
      scopes: ['invoices:read'],
      duration_seconds: 600,
      requested_duration_seconds: 3600,
      version: 2,
      reviews: [
        {
          reviewer: 'bob@example.com',
          verdict: 'approve',
          comment: 'reading will do',
          scopes: ['invoices:read'],
          duration_seconds: 600,
          via: 'api',
        },
      ],
    })
    const grant = await as('alice').get(`/v1/grants/${reviewed.body.grant_id}`)
    expect(grant.body).toMatchObject({ state: 'active', scopes: ['invoices:read'] })
  })

  it.each([
    ['bob', { verdict: 'maybe' }, 422, 'invalid_input'],
    ['bob', { verdict: 'approve', scopes: ['payouts:write'] }, 422, 'wider_than_asked'],
    ['bob', { verdict: 'approve', version: 7 }, 409, 'stale_version'],
    ['alice', { verdict: 'approve' }, 403, 'self_review'],
    ['sam', { verdict: 'approve' }, 403, 'not_reviewer'],
    ['dana', { verdict: 'deny' }, 404, 'not_found'],
  ] as const)('by %s with %o is %i %s', async (name, review, status, code) => {
    const { body: asked } = await as('alice').post('/v1/requests', ask)
    const answer = await as(name).post(`/v1/requests/${asked.id}/reviews`, review)
    expect(answer).toMatchObject({ status, body: { code } })
    await withdraw(asked.id)
  })

  it('with an Idempotency-Key repeats the answer instead of already_reviewed', async () => {
    const { body: asked } = await as('alice').post('/v1/requests', ask)
    const path = `/v1/requests/${asked.id}/reviews`
    const key = { 'Idempotency-Key': 'review-1' }
    const first = await as('bob').post(path, { verdict: 'approve' }, key)
    const again = await as('bob').post(path, { verdict: 'approve' }, key)
    expect(again).toMatchObject({ status: 200, body: first.body })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const unkeyed = await as('bob').post(path, { verdict: 'approve' })
    expect(unkeyed).toMatchObject({ status: 409, body: { code: 'already_reviewed' } })
  })
})

describe('GET /v1/requests', () => {
  it('pages, filters, and refuses what is no filter', async () => {
    const { body: asked } = await as('alice').post('/v1/requests', ask)
    const page = await as('bob').get('/v1/requests?to_review=me&limit=1')
    expect(page).toMatchObject({
      status: 200,
      body: { items: [{ id: asked.id }], next_cursor: null },
    })
    const mine = await as('alice').get('/v1/requests?subject=alice@example.com&limit=2')
    expect(mine.body.items).toHaveLength(2)
    const next = await as('alice').get(
      `/v1/requests?subject=alice@example.com&limit=2&cursor=${mine.body.next_cursor}`,
    )
    expect(next.status).toBe(200)
    const elsewhere = await as('alice').get(`/v1/requests?limit=2&cursor=${mine.body.next_cursor}`)
    expect(elsewhere).toMatchObject({ status: 422, body: { code: 'invalid_cursor' } })
    for (const query of ['to_review=you', 'limit=0', 'limit=201', 'state=open', 'colour=red']) {
      const refused = await as('alice').get(`/v1/requests?${query}`)
      expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_input' } })
    }
    await withdraw(asked.id)
  })
})

describe('comments, cancelling, more time', () => {
  it('go over REST', async () => {
    const { body: asked } = await as('alice').post('/v1/requests', ask)
    const said = await as('bob').post(`/v1/requests/${asked.id}/comments`, { text: 'which one?' })
    expect(said).toMatchObject({
      status: 200,
      body: { comments: [{ author: 'bob@example.com', text: 'which one?' }] },
    })
    const cancelled = await as('alice').post(`/v1/requests/${asked.id}/cancel`)
    expect(cancelled).toMatchObject({ status: 200, body: { state: 'cancelled' } })
    const { body: held } = await as('alice').post('/v1/requests', {
      ...ask,
      role: 'billing-reader',
    })
    const more = { duration_seconds: 60, justification: 'a little longer' }
    const extended = await as('alice').post(`/v1/grants/${held.grant_id}/extend`, more)
    expect(extended).toMatchObject({
      status: 201,
      body: { state: 'approved', extends_grant_id: held.grant_id, grant_id: held.grant_id },
    })
    const others = await as('bob').post(`/v1/grants/${held.grant_id}/extend`, more)
    expect(others).toMatchObject({ status: 403, body: { code: 'not_holder' } })
  })
})

describe('what leaves the broker', () => {
  it('is described in /openapi.json', async () => {
    const { body } = await call(`${broker.url}/openapi.json`)
    for (const path of [
      '/v1/requests',
      '/v1/requests/preview',
      '/v1/requests/{id}',
      '/v1/requests/{id}/reviews',
      '/v1/requests/{id}/cancel',
      '/v1/requests/{id}/comments',
      '/v1/grants/{id}/extend',
    ]) {
      expect(Object.keys(body.paths)).toContain(path)
    }
  })
})
