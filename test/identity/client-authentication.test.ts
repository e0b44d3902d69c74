import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import { base64url, type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import * as openid from 'openid-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyCatalog } from '../../src/catalog/index.ts'
import { endSessionsOf, ensureSubject, setDisabled } from '../../src/identity/index.ts'
import { type Answer, call, clientWith } from '../support/client.ts'
import { companyCatalog } from './company-catalog.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer()
const { services, clock } = room
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const invalidClient = { status: 401, body: { error: 'invalid_client' } }

interface Key {
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK
}

async function newKey(algorithm: string, kid?: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }) }
  return { privateKey, publicJwk }
}

/** Documents by path, as a workload platform would publish them. */
const published = new Map<string, string>()
const asked: string[] = []
let platform = ''
const server = createServer((request, response) => {
  const path = request.url ?? ''
  asked.push(path)
  if (path === '/hangs') return
  if (path === '/moved') {
    response.writeHead(302, { Location: '/jwks' }).end()
    return
  }
  const document = published.get(path)
  response.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
  response.end(document)
})

let rsa: Key
let ec: Key
let ed: Key
let remote: Key
let stranger: Key

const jwks = (...keys: Key[]) => JSON.stringify({ keys: keys.map(({ publicJwk }) => publicJwk) })

async function applyWorkloads(comment = ''): Promise<void> {
  const workloads = `workloads:
  invoice-bot: { owner: engineering, jwks_file: bot.json }
  remote-bot: { owner: engineering, jwks_uri: '${platform}/jwks' }
  hanging-bot: { owner: engineering, jwks_uri: '${platform}/hangs' }
  moved-bot: { owner: engineering, jwks_uri: '${platform}/moved' }
  endless-bot: { owner: engineering, jwks_uri: '${platform}/endless' }
  build-bot: { owner: engineering, federation: { issuer: '${platform}', subject: 'repo:acme/billing', audience: hallpass } }
  lost-bot: { owner: engineering, federation: { issuer: '${platform}/lying', subject: s, audience: hallpass } }
`
  const content = companyCatalog.replace(
    'workloads:\n  invoice-bot: { owner: engineering }\n',
    `${workloads}${comment}\n`,
  )
  await applyCatalog(room.asOperator(), { content, files: { 'bot.json': jwks(rsa, ec, ed) } })
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  platform = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  rsa = await newKey('RS256', 'one')
  ec = await newKey('ES256', 'two')
  ed = await newKey('EdDSA')
  remote = await newKey('RS256', 'remote')
  stranger = await newKey('RS256', 'one')
  published.set('/jwks', jwks(remote))
  published.set('/endless', JSON.stringify({ keys: [], padding: 'x'.repeat(300 * 1024) }))
  published.set(
    '/.well-known/openid-configuration',
    JSON.stringify({ issuer: platform, jwks_uri: `${platform}/jwks` }),
  )
  published.set(
    '/lying/.well-known/openid-configuration',
    JSON.stringify({ issuer: 'https://other.example', jwks_uri: `${platform}/jwks` }),
  )
  await applyWorkloads()
})

afterAll(() => {
  server.close()
  server.closeAllConnections()
})

beforeEach(() => {
  clock.set(new Date())
})

let counter = 0

interface Assertion {
  readonly key?: Key
  readonly header?: { alg: string; kid?: string }
  readonly claims?: Record<string, unknown>
}

function assert({ key = rsa, header, claims = {} }: Assertion = {}): Promise<string> {
  counter += 1
  const now = Math.floor(clock.now().getTime() / 1000)
  const payload = {
    iss: 'invoice-bot',
    sub: 'invoice-bot',
    aud: room.url,
    jti: `jti-${counter}`,
    iat: now,
    exp: now + 60,
    ...claims,
  }
  const kept = Object.fromEntries(
    Object.entries(payload).filter(([, value]) => value !== undefined),
  )
  return new SignJWT(kept)
    .setProtectedHeader(header ?? { alg: 'RS256', kid: key.publicJwk.kid ?? 'one' })
    .sign(key.privateKey)
}

function present(assertion: string, more: Record<string, string> = {}): Promise<Answer> {
  return call(`${room.url}/oauth/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion: assertion,
      client_assertion_type: assertionType,
      ...more,
    }).toString(),
  })
}

describe('private_key_jwt', () => {
  it('opens a session of the workload', async () => {
    const answer = await present(await assert())
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer' } })
    const me = await clientWith(room.url, answer.body.access_token).get('/v1/me')
    expect(me.body).toMatchObject({ subject: 'workload:invoice-bot', kind: 'workload' })
  })

  it('takes the keys of a stock client without special handling', async () => {
    const metadata = { issuer: room.url, token_endpoint: `${room.url}/oauth/token` }
    const { privateKey } = ec
    const authentication = openid.PrivateKeyJwt({ key: privateKey, kid: 'two' })
    const config = new openid.Configuration(metadata, 'invoice-bot', {}, authentication)
    openid.allowInsecureRequests(config)
    const tokens = await openid.clientCredentialsGrant(config)
    expect(tokens.access_token).toMatch(/^hps_/)
  })

  it.each([
    ['by key id', () => ec, { alg: 'ES256', kid: 'two' }],
    ['without a key id, among several keys', () => ed, { alg: 'EdDSA' }],
    ['without a key id, RS256', () => rsa, { alg: 'RS256' }],
  ])('finds the key %s', async (_name, key, header) => {
    expect((await present(await assert({ key: key(), header }))).status).toBe(200)
  })

  it('takes the audience as a list of this issuer alone', async () => {
    expect((await present(await assert({ claims: { aud: [room.url] } }))).status).toBe(200)
  })

  it('is good once, also for many at the same time', async () => {
    const assertion = await assert()
    const answers = await Promise.all(Array.from({ length: 10 }, () => present(assertion)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await present(assertion)).toMatchObject(invalidClient)
  })

  it.each([
    ['for the token endpoint', { aud: 'TOKEN_ENDPOINT' }],
    ['for another server', { aud: 'https://other.example' }],
    ['for two servers', { aud: ['ISSUER', 'https://other.example'] }],
    ['for nobody', { aud: undefined }],
    ['of another issuer', { iss: 'https://other.example' }],
    ['about another subject', { sub: 'remote-bot' }],
    ['of a workload that does not exist', { iss: 'ghost', sub: 'ghost' }],
    [
      'with the prefix of the subject',
      { iss: 'workload:invoice-bot', sub: 'workload:invoice-bot' },
    ],
    ['without an end', { exp: undefined }],
    ['without a jti', { jti: undefined }],
    ['with an empty jti', { jti: '' }],
    ['with an endless jti', { jti: 'x'.repeat(513) }],
    ['that ended', { exp: -10 }],
    ['that is good for longer than 5 minutes', { exp: 310 }],
    ['that is not good yet', { nbf: 60 }],
  ])('refuses an assertion %s', async (_name, changes) => {
    const now = Math.floor(clock.now().getTime() / 1000)
    const place = (value: unknown) =>
      value === 'ISSUER' ? room.url : value === 'TOKEN_ENDPOINT' ? `${room.url}/oauth/token` : value
    const claims = Object.fromEntries(
      Object.entries(changes).map(([name, value]) => {
        if (typeof value === 'number') return [name, now + value]
        return [name, Array.isArray(value) ? value.map(place) : place(value)]
      }),
    )
    expect(await present(await assert({ claims }))).toMatchObject(invalidClient)
  })

  it('refuses a key that is not the workload’s, whatever id it carries', async () => {
    expect(await present(await assert({ key: stranger }))).toMatchObject(invalidClient)
    const embedded = await new SignJWT({
      iss: 'invoice-bot',
      sub: 'invoice-bot',
      aud: room.url,
      jti: 'e',
    })
      .setProtectedHeader({ alg: 'RS256', jwk: stranger.publicJwk })
      .setExpirationTime(new Date(clock.now().getTime() + 60_000))
      .sign(stranger.privateKey)
    expect(await present(embedded)).toMatchObject(invalidClient)
  })

  it('refuses no signature, and the public key as a shared secret', async () => {
    const [, payload = ''] = (await assert()).split('.')
    const header = (alg: string) => base64url.encode(JSON.stringify({ alg, kid: 'one' }))
    expect(await present(`${header('none')}.${payload}.`)).toMatchObject(invalidClient)
    const asSecret = new TextEncoder().encode(JSON.stringify(rsa.publicJwk))
    const confused = await new SignJWT({
      iss: 'invoice-bot',
      sub: 'invoice-bot',
      aud: room.url,
      jti: 'c',
    })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .setExpirationTime(new Date(clock.now().getTime() + 60_000))
      .sign(asSecret)
    expect(await present(confused)).toMatchObject(invalidClient)
  })

  it.each(['', 'x', 'a.b', 'a.b.c', 'a.b.c.d.e', `${'A'.repeat(30_000)}.e30.x`])(
    'refuses what is no assertion: %.20s',
    async (assertion) => {
      expect([400, 401]).toContain((await present(assertion)).status)
    },
  )

  it('refuses a client_id that is another', async () => {
    expect(await present(await assert(), { client_id: 'remote-bot' })).toMatchObject(invalidClient)
    expect((await present(await assert(), { client_id: 'invoice-bot' })).status).toBe(200)
  })

  it('refuses a second method beside it', async () => {
    const answer = await present(await assert(), { client_secret: 'x', client_id: 'invoice-bot' })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
  })

  it('refuses a disabled workload, and ends what it has', async () => {
    const { access_token } = (await present(await assert())).body
    const subject = 'workload:invoice-bot'
    await services.database.transaction(async (tx) => {
      await ensureSubject(tx, services, subject)
      await setDisabled(tx, services, subject, 'leaked')
      await endSessionsOf(tx, services, subject)
    })
    expect((await clientWith(room.url, access_token).get('/v1/me')).status).toBe(401)
    expect(await present(await assert())).toMatchObject(invalidClient)
    await services.database.transaction((tx) => setDisabled(tx, services, subject, null))
    expect((await present(await assert())).status).toBe(200)
  })

  it('audits a failure with the workload it claims to be, and with nothing else', async () => {
    await present(await assert({ key: stranger, claims: { jti: 'secret-jti' } }))
    const { rows } = await services.database.read((db) =>
      db.execute(sql`select action, outcome, code, subject, audit_entry::text as everything
                     from audit_entry order by ctid desc limit 1`),
    )
    expect(rows[0]).toMatchObject({
      action: 'authenticate-client',
      outcome: 'refused',
      code: 'invalid_client',
      subject: 'workload:invoice-bot',
    })
    expect(rows[0]?.everything).not.toContain('secret-jti')
  })
})

describe('keys behind jwks_uri', () => {
  const claims = { iss: 'remote-bot', sub: 'remote-bot' }

  it('are fetched once and kept', async () => {
    asked.length = 0
    for (let count = 0; count < 3; count += 1) {
      expect((await present(await assert({ key: remote, claims }))).status).toBe(200)
    }
    expect(asked).toEqual(['/jwks'])
  })

  it.each(['hanging-bot', 'moved-bot', 'endless-bot'])(
    'that cannot be had (%s) are an outage, not a wrong client, and hang nobody',
    async (name) => {
      const started = Date.now()
      const answer = await present(await assert({ claims: { iss: name, sub: name } }))
      expect(answer).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } })
      expect(Date.now() - started).toBeLessThan(10_000)
    },
  )

  it('are fetched again after the catalog changed', async () => {
    asked.length = 0
    await applyWorkloads('# another content')
    expect((await present(await assert({ key: remote, claims }))).status).toBe(200)
    expect(asked).toEqual(['/jwks'])
  })
})

describe('federation', () => {
  const subject = 'repo:acme/billing'
  const token = (claims: Record<string, unknown> = {}, key = remote) =>
    assert({ key, claims: { iss: platform, sub: subject, aud: 'hallpass', ...claims } })

  it('takes a token of the named issuer, subject and audience', async () => {
    const answer = await present(await token())
    expect(answer.status).toBe(200)
    const me = await clientWith(room.url, answer.body.access_token).get('/v1/me')
    expect(me.body.subject).toBe('workload:build-bot')
  })

  it('takes it more than once: platforms hand the same token out for its whole life', async () => {
    const one = await token({ jti: undefined })
    expect((await present(one)).status).toBe(200)
    expect((await present(one)).status).toBe(200)
  })

  it.each([
    ['another subject', { sub: 'repo:evil/billing' }],
    ['a subject that starts alike', { sub: 'repo:acme/billing-fork' }],
    ['another audience', { aud: 'other' }],
    ['this broker as audience', { aud: 'ISSUER' }],
    ['another issuer', { iss: 'https://other.example' }],
    ['no end', { exp: undefined }],
    ['an end in the past', { exp: 1 }],
  ])('refuses %s', async (_name, changes) => {
    const claims = 'aud' in changes && changes.aud === 'ISSUER' ? { aud: room.url } : changes
    expect(await present(await token(claims))).toMatchObject(invalidClient)
  })

  it('refuses a token that the issuer did not sign', async () => {
    expect(await present(await token({}, stranger))).toMatchObject(invalidClient)
  })

  it('does not believe a document that names another issuer', async () => {
    const lying = await token({ iss: `${platform}/lying`, sub: 's' })
    expect(await present(lying)).toMatchObject({
      status: 503,
      body: { error: 'temporarily_unavailable' },
    })
  })

  it('does not let a federated issuer speak for a workload with its own key', async () => {
    const crossed = await token({ iss: 'invoice-bot', sub: 'invoice-bot', aud: room.url })
    expect(await present(crossed)).toMatchObject(invalidClient)
  })
})
