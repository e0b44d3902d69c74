import { describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { call, signIn } from '../support/client.ts'

const broker = useTestBroker()

describe('GET /v1/catalog', () => {
  it('answers what the caller may ask for, with exactly the promised fields', async () => {
    const alice = await signIn(broker.url, 'alice@example.com')
    const { status, body } = await alice.get('/v1/catalog')
    expect(status).toBe(200)
    expect(Object.keys(body).sort()).toEqual(['resources', 'roles', 'version'])
    expect(body.version).toBe(1)
    expect(body.resources).toEqual([
      {
        name: 'billing-api',
        title: 'Billing API',
        audience: 'https://billing.example.com',
        owner: 'payments-leads',
        sensitivity: 'high',
        scopes: expect.objectContaining({ 'invoices:read': 'Read invoices' }),
      },
    ])
    expect(body.roles).toContainEqual({
      name: 'billing-operator',
      resource: 'billing-api',
      scopes: ['invoices:read', 'invoices:write'],
      is_self_service: false,
      seat_count: 1,
      max_duration_seconds: 14_400,
      default_duration_seconds: 3_600,
    })
  })

  it('is for those who signed in', async () => {
    expect(await call(`${broker.url}/v1/catalog`)).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    })
  })
})

describe('POST /v1/catalog/explain', () => {
  const ask = { role: 'billing-operator', duration_seconds: 3_600 }

  it('explains the caller’s own ask', async () => {
    const alice = await signIn(broker.url, 'alice@example.com')
    const { status, body } = await alice.post('/v1/catalog/explain', ask)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      decision: 'review',
      subject: 'alice@example.com',
      policy: 'billing-operate',
      catalog_version: 1,
      limits: { justification_min_length: 10, ticket_pattern: null },
      seats: [
        {
          from: ['payments-leads'],
          count: 1,
          could_fill: ['bob@example.com', 'carol@example.com'],
          or_holders_of: [],
        },
      ],
    })
  })

  it('explains another’s to admins alone', async () => {
    const others = { ...ask, subject: 'Bob@example.com' }
    const alice = await signIn(broker.url, 'alice@example.com')
    expect(await alice.post('/v1/catalog/explain', others)).toMatchObject({
      status: 403,
      body: { code: 'not_permitted' },
    })
    const sam = await signIn(broker.url, 'sam@example.com')
    expect(await sam.post('/v1/catalog/explain', others)).toMatchObject({
      status: 200,
      body: { subject: 'bob@example.com', seats: [{ could_fill: ['carol@example.com'] }] },
    })
  })

  it('refuses unknown fields and absurd durations with pointers', async () => {
    const alice = await signIn(broker.url, 'alice@example.com')
    const { status, body } = await alice.post('/v1/catalog/explain', {
      role: 'billing-operator',
      duration_seconds: -1,
      as: 'bob@example.com',
    })
    expect(status).toBe(422)
    expect(body).toMatchObject({ code: 'invalid_input' })
    const pointers = body.errors.map(({ pointer }: { pointer: string }) => pointer)
    expect(pointers.sort()).toEqual(['/as', '/duration_seconds'])
  })
})
