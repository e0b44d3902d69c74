import { createRemoteJWKSet, jwtVerify } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'
import { startExampleService } from '../support/example-service.ts'

const audience = 'https://billing.example.com'

describe('ask, approve, hold, end', () => {
  const broker = useTestBroker()
  let alice: Client
  let bob: Client

  beforeAll(async () => {
    alice = await signIn(broker.url, 'alice@example.com')
    bob = await signIn(broker.url, 'bob@example.com')
  })

  const ask = {
    role: 'billing-operator',
    duration_seconds: 3600,
    justification: 'void a duplicate invoice',
    ticket: 'INC-42',
  }

  it('gives Alice a token that any JWT library accepts, after Bob approved', async () => {
    const preview = await alice.post('/v1/requests/preview', ask)
    expect(preview.status).toBe(200)
    expect(preview.body).toMatchObject({ decision: 'review', policy: 'billing-operate' })
    expect(preview.body.eligible_reviewers).toContain('bob@example.com')

    const asked = await alice.post('/v1/requests', ask)
    expect(asked.status).toBe(201)
    expect(asked.body).toMatchObject({ state: 'pending', subject: 'alice@example.com', version: 1 })

    const waiting = await bob.get('/v1/requests?to_review=me')
    expect(waiting.body.items.map((item: { id: string }) => item.id)).toEqual([asked.body.id])

    const reviewed = await bob.post(`/v1/requests/${asked.body.id}/reviews`, { verdict: 'approve' })
    expect(reviewed.status).toBe(200)
    expect(reviewed.body.state).toBe('approved')

    const grant = await alice.get(`/v1/grants/${reviewed.body.grant_id}`)
    expect(grant.body).toMatchObject({ state: 'active', audience, subject: 'alice@example.com' })
    const lasts = Date.parse(grant.body.ends_at) - Date.parse(grant.body.starts_at)
    expect(lasts).toBe(3_600_000)

    const minted = await alice.post(`/v1/grants/${grant.body.id}/tokens`)
    expect(minted.status).toBe(201)
    expect(minted.body).toMatchObject({ token_type: 'Bearer', grant_id: grant.body.id })
    const jwks = createRemoteJWKSet(new URL(`${broker.url}/oauth/jwks`))
    const { payload, protectedHeader } = await jwtVerify(minted.body.access_token, jwks, {
      issuer: broker.issuer,
      audience,
      typ: 'at+jwt',
    })
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload).toMatchObject({ sub: 'alice@example.com', grant_id: grant.body.id })
  })

  it('lets the example service answer until the grant ends, then refuses', async () => {
    const service = await startExampleService(broker.issuer, broker.url)
    const asked = await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 3,
      justification: 'look at one invoice',
    })
    expect(asked.body).toMatchObject({ state: 'approved' })
    const minted = await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
    const invoice = () =>
      fetch(`${service.url}/invoices/1`, {
        headers: { Authorization: `Bearer ${minted.body.access_token}` },
      })
    expect((await invoice()).status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 3_300))
    expect((await invoice()).status).toBe(401)
    const late = await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
    expect(late.status).toBe(409)
    expect(['grant_ended', 'grant_not_active']).toContain(late.body.code)
    await service.stop()
  })

  it('refuses a review by the requester and keeps the request open', async () => {
    const asked = await bob.post('/v1/requests', { ...ask, role: 'billing-operator' })
    expect([201, 403]).toContain(asked.status)
    const mine = await alice.post('/v1/requests', { ...ask, duration_seconds: 1800 })
    const self = await alice.post(`/v1/requests/${mine.body.id}/reviews`, { verdict: 'approve' })
    expect(self.status).toBe(403)
    expect(self.body.code).toBe('self_review')
    const after = await alice.get(`/v1/requests/${mine.body.id}`)
    expect(after.body.state).toBe('pending')
    const cancelled = await alice.post(`/v1/requests/${mine.body.id}/cancel`)
    expect(cancelled.body.state).toBe('cancelled')
  })
})
