import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Answer, type Client, call, signIn } from '../support/client.ts'

const broker = useTestBroker()
const audience = 'https://billing.example.com'
let alice: Client
let bob: Client
let bot: { client_id: string; client_secret: string }
let resource: { client_id: string; client_secret: string }

beforeAll(async () => {
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
  bot = (await alice.post('/v1/workloads/invoice-bot/credentials')).body
  resource = (await bob.post('/v1/resources/billing-api/credentials')).body
})

type Parameters = Record<string, string> | [string, string][]

function post(
  path: string,
  form: Parameters | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return call(broker.url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
  })
}

function basic({ client_id, client_secret }: { client_id: string; client_secret: string }) {
  const encoded = Buffer.from(`${client_id}:${client_secret}`).toString('base64')
  return { Authorization: `Basic ${encoded}` }
}

async function grantOf(holder: Client, seconds = 600): Promise<string> {
  const asked = await holder.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: seconds,
    justification: 'to look at an invoice',
  })
  expect(asked.status).toBe(201)
  return asked.body.grant_id
}

async function mintedBy(holder: Client): Promise<string> {
  const minted = await holder.post(`/v1/grants/${await grantOf(holder)}/tokens`)
  expect(minted.status).toBe(201)
  return minted.body.access_token
}

async function introspected(token: string): Promise<boolean> {
  const answer = await post('/oauth/introspect', { token }, basic(resource))
  expect(answer.status).toBe(200)
  return answer.body.active
}

describe('POST /v1/grants/{id}/tokens', () => {
  it('answers with exactly the members of the contract, to be stored nowhere', async () => {
    const grantId = await grantOf(alice)
    const minted = await alice.post(`/v1/grants/${grantId}/tokens`)
    expect(minted.status).toBe(201)
    expect(minted.headers.get('cache-control')).toBe('no-store')
    expect(minted.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'invoices:read',
      grant_id: grantId,
      authorization_expires_in: expect.any(Number),
    })
  })

  it('repeats with the same Idempotency-Key: the same claims, and the token was never stored', async () => {
    const path = `/v1/grants/${await grantOf(alice)}/tokens`
    const key = { 'Idempotency-Key': 'mint-1' }
    const first = await alice.post(path, {}, key)
    const again = await alice.post(path, {}, key)
    expect(again.status).toBe(201)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(decodeJwt(again.body.access_token)).toEqual(decodeJwt(first.body.access_token))
    expect(again.body).toMatchObject({ scope: 'invoices:read', grant_id: first.body.grant_id })
    const other = await alice.post(path, { scopes: ['invoices:read'] }, key)
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })
    const fresh = await alice.post(path, {}, { 'Idempotency-Key': 'mint-2' })
    expect(decodeJwt(fresh.body.access_token).jti).not.toBe(decodeJwt(first.body.access_token).jti)
  })

  it('repeats no token once the grant was given back', async () => {
    const grantId = await grantOf(alice)
    const key = { 'Idempotency-Key': 'mint-3' }
    await alice.post(`/v1/grants/${grantId}/tokens`, {}, key)
    await alice.post(`/v1/grants/${grantId}/release`)
    const again = await alice.post(`/v1/grants/${grantId}/tokens`, {}, key)
    expect(again).toMatchObject({ status: 409, body: { code: 'grant_ended' } })
  })

  it.each([
    [{ scope: 'invoices:read' }, '/scope'],
    [{ scopes: 'invoices:read' }, '/scopes'],
    [{ scopes: [] }, '/scopes'],
    [{ scopes: [7] }, '/scopes/0'],
  ])('refuses %j and points at the fault', async (body, pointer) => {
    const refused = await alice.post(`/v1/grants/${await grantOf(alice)}/tokens`, body)
    expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_input' } })
    expect(refused.body.errors[0].pointer).toBe(pointer)
  })

  it('tells the holder from others: 403 to who may see the grant, 404 to who may not', async () => {
    const grantId = await grantOf(alice)
    expect(await bob.post(`/v1/grants/${grantId}/tokens`)).toMatchObject({
      status: 403,
      body: { code: 'not_holder' },
    })
    const dana = await signIn(broker.url, 'dana@example.com')
    expect((await dana.post(`/v1/grants/${grantId}/tokens`)).status).toBe(404)
  })
})

describe('GET /oauth/jwks and the metadata', () => {
  it('gives public keys alone, to be kept for five minutes', async () => {
    const answer = await call(`${broker.url}/oauth/jwks`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toContain('max-age=300')
    for (const key of answer.body.keys) {
      expect(key).toMatchObject({ alg: 'RS256', use: 'sig', kid: expect.any(String) })
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'])
        expect(key).not.toHaveProperty(secret)
    }
    const token = await mintedBy(alice)
    const verified = await jwtVerify(token, createLocalJWKSet(answer.body), {
      issuer: broker.issuer,
      audience,
    })
    expect(verified.protectedHeader.typ).toBe('at+jwt')
  })

  it('is one document at two addresses, and every endpoint it names is there', async () => {
    const [oauth, openid] = await Promise.all(
      ['oauth-authorization-server', 'openid-configuration'].map((name) =>
        call(`${broker.url}/.well-known/${name}`),
      ),
    )
    expect(oauth?.body).toEqual(openid?.body)
    expect(oauth?.body).toMatchObject({
      issuer: broker.issuer,
      grant_types_supported: ['authorization_code', 'client_credentials'],
      code_challenge_methods_supported: ['S256'],
    })
    const endpoints = Object.entries(oauth?.body as Record<string, string>).filter(([name]) =>
      /_(endpoint|uri)$/.test(name),
    )
    expect(endpoints).toHaveLength(5)
    for (const [name, url] of endpoints) {
      const here = url.replace(broker.issuer, broker.url)
      const isPost = /token|introspection|revocation/.test(name)
      expect((await call(here, isPost ? { method: 'POST' } : {})).status, name).not.toBe(404)
    }
  })
})

describe('POST /oauth/token', () => {
  it('answers uncacheably, in the form of RFC 6749', async () => {
    const answer = await post('/oauth/token', { grant_type: 'client_credentials' }, basic(bot))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('pragma')).toBe('no-cache')
    expect(answer.body).toEqual({
      access_token: expect.stringMatching(/^hps_/),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
    })
  })

  it.each<[string, Parameters, number, string]>([
    ['no grant type', {}, 400, 'invalid_request'],
    ['a grant type of yesterday', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    [
      'a parameter twice',
      [
        ['grant_type', 'client_credentials'],
        ['scope', 'a'],
        ['scope', 'b'],
      ],
      400,
      'invalid_request',
    ],
    [
      'an unknown resource',
      { grant_type: 'client_credentials', resource: 'https://nowhere.example.com' },
      400,
      'invalid_target',
    ],
    [
      'two resources',
      [
        ['grant_type', 'client_credentials'],
        ['resource', audience],
        ['resource', 'https://stock.example.com'],
      ],
      400,
      'invalid_target',
    ],
    [
      'a scope that no grant covers',
      { grant_type: 'client_credentials', resource: audience, scope: 'payouts:write' },
      400,
      'access_denied',
    ],
  ])('refuses %s', async (_, form, status, error) => {
    const answer = await post('/oauth/token', form, basic(bot))
    expect(answer).toMatchObject({ status, body: { error, error_description: expect.any(String) } })
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  it('refuses JSON, and parameters in the address', async () => {
    const json = await call(`${broker.url}/oauth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...basic(bot) },
      body: JSON.stringify({ grant_type: 'client_credentials' }),
    })
    expect(json).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    const inAddress = await post('/oauth/token?grant_type=client_credentials', {}, basic(bot))
    expect(inAddress).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  it('answers 401 and asks for Basic to a wrong secret, to a resource, and to nobody', async () => {
    const form = { grant_type: 'client_credentials' }
    for (const headers of [basic({ ...bot, client_secret: 'wrong' }), basic(resource), {}]) {
      const answer = await post('/oauth/token', form, headers)
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
      expect(answer.headers.get('www-authenticate')).toContain('Basic')
    }
  })
})

describe('POST /oauth/introspect', () => {
  it('answers to a resource with HTTP Basic, and to nobody else', async () => {
    const token = await mintedBy(alice)
    expect(await introspected(token)).toBe(true)
    const others = [{}, basic(bot), { Authorization: `Bearer ${alice.token}` }]
    for (const headers of others) {
      const answer = await post('/oauth/introspect', { token }, headers)
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    }
  })

  it('answers in snake_case, and only { active: false } of what is over', async () => {
    const token = await mintedBy(alice)
    const answer = await post(
      '/oauth/introspect',
      { token, scope: 'invoices:read' },
      basic(resource),
    )
    expect(Object.keys(answer.body).sort()).toEqual(
      'active aud client_id exp grant_id iat iss jti nbf scope sub token_type'.split(' '),
    )
    const session = await post('/oauth/introspect', { token: alice.token }, basic(resource))
    expect(session.body).toEqual({ active: false })
  })

  it('needs a token to speak of', async () => {
    const answer = await post('/oauth/introspect', {}, basic(resource))
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })
})

describe('POST /oauth/revoke', () => {
  it('takes a token back for its subject, who comes with a session', async () => {
    const token = await mintedBy(alice)
    const foreign = await post('/oauth/revoke', { token }, { Authorization: `Bearer ${bob.token}` })
    expect(foreign).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(await introspected(token)).toBe(true)
    const own = await post('/oauth/revoke', { token }, { Authorization: `Bearer ${alice.token}` })
    expect(own).toMatchObject({ status: 200, body: '' })
    expect(await introspected(token)).toBe(false)
  })

  it('is a success for a token that nobody knows', async () => {
    const answer = await post('/oauth/revoke', { token: 'nothing' }, basic(bot))
    expect(answer.status).toBe(200)
  })

  it('ends a session for a public client, which proves itself with the session token', async () => {
    const other = await signIn(broker.url, 'alice@example.com')
    const form = { client_id: 'hallpass-cli', token: other.token }
    expect((await post('/oauth/revoke', form)).status).toBe(200)
    expect((await other.get('/v1/me')).status).toBe(401)
    expect((await alice.get('/v1/me')).status).toBe(200)
    expect((await post('/oauth/revoke', form)).status).toBe(200)
  })

  it('lets a public client take no access token back, for it has not proved itself', async () => {
    const token = await mintedBy(alice)
    const answer = await post('/oauth/revoke', { client_id: 'hallpass', token })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
    expect(await introspected(token)).toBe(true)
  })
})
