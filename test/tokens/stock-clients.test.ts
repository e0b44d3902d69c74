import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rotateKeys } from '../../src/tokens/index.ts'
import { useTestBroker } from '../support/broker.ts'
import { type Client, call, signIn } from '../support/client.ts'
import { billingAudience, catalogText } from './grants.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-stock-'))
const botKey = await generateKeyPair('ES256', { extractable: true })
mkdirSync(join(folder, 'keys'))
writeFileSync(
  join(folder, 'keys', 'invoice-bot.json'),
  JSON.stringify({ keys: [{ ...(await exportJWK(botKey.publicKey)), kid: 'bot', alg: 'ES256' }] }),
)
writeFileSync(
  join(folder, 'hallpass.yaml'),
  catalogText.replace(
    'invoice-bot: { owner: engineering }',
    'invoice-bot: { owner: engineering, jwks_file: keys/invoice-bot.json }',
  ),
)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const broker = useTestBroker({ HALLPASS_CONFIG: join(folder, 'hallpass.yaml') })
const resourceParameter = { resource: billingAudience, scope: 'invoices:read' }
let alice: Client
let resourceCredential: { client_id: string; client_secret: string }
let botCredential: { client_id: string; client_secret: string }

const insecure = { execute: [openid.allowInsecureRequests] }

function discover(
  clientId: string,
  authentication: openid.ClientAuth,
): Promise<openid.Configuration> {
  return openid.discovery(new URL(broker.issuer), clientId, {}, authentication, insecure)
}

function botByKey(): Promise<openid.Configuration> {
  const key = { key: botKey.privateKey, kid: 'bot' }
  return discover('invoice-bot', openid.PrivateKeyJwt(key))
}

async function personalToken(): Promise<string> {
  const asked = await alice.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: 600,
    justification: 'to look at an invoice',
  })
  if (asked.status !== 201) throw new Error(`ask: ${asked.status} ${JSON.stringify(asked.body)}`)
  const minted = await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
  if (minted.status !== 201)
    throw new Error(`mint: ${minted.status} ${JSON.stringify(minted.body)}`)
  return minted.body.access_token
}

beforeAll(async () => {
  alice = await signIn(broker.url, 'alice@example.com')
  const bob = await signIn(broker.url, 'bob@example.com')
  const ofResource = await bob.post('/v1/resources/billing-api/credentials')
  const ofBot = await alice.post('/v1/workloads/invoice-bot/credentials')
  if (ofResource.status !== 201 || ofBot.status !== 201) {
    throw new Error(JSON.stringify([ofResource.body, ofBot.body]))
  }
  resourceCredential = ofResource.body
  botCredential = ofBot.body
  const session = await openid.clientCredentialsGrant(await botByKey())
  const asked = await call(`${broker.url}/v1/requests`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${session.access_token}`,
      'Content-Type': 'application/json',
    },
    body: JSON.stringify({
      role: 'billing-reader',
      duration_seconds: 3600,
      justification: 'to send the invoices of the night',
    }),
  })
  if (asked.status !== 201) throw new Error(JSON.stringify(asked.body))
})

describe('openid-client', () => {
  it('discovers the broker, by either document', async () => {
    for (const algorithm of ['oidc', 'oauth2'] as const) {
      const found = await openid.discovery(
        new URL(broker.issuer),
        'invoice-bot',
        {},
        openid.None(),
        { ...insecure, algorithm },
      )
      expect(found.serverMetadata()).toMatchObject({
        issuer: broker.issuer,
        jwks_uri: `${broker.issuer}/oauth/jwks`,
        token_endpoint: `${broker.issuer}/oauth/token`,
      })
    }
  })

  it.each([
    ['private_key_jwt', botByKey],
    [
      'client_secret_basic',
      () =>
        discover(botCredential.client_id, openid.ClientSecretBasic(botCredential.client_secret)),
    ],
    [
      'client_secret_post',
      () => discover(botCredential.client_id, openid.ClientSecretPost(botCredential.client_secret)),
    ],
  ])('gets a session token and an access token with %s', async (_, configure) => {
    const config = await configure()
    const session = await openid.clientCredentialsGrant(config)
    expect(session.access_token).toMatch(/^hps_/)
    expect(session.expiresIn()).toBeGreaterThan(60)
    const access = await openid.clientCredentialsGrant(config, resourceParameter)
    expect(access).toMatchObject({ token_type: 'bearer', scope: 'invoices:read' })
    expect(access.expiresIn()).toBeGreaterThan(30)
  })

  it('is told access_denied when no grant covers the scope', async () => {
    const config = await botByKey()
    const refused = openid.clientCredentialsGrant(config, {
      resource: billingAudience,
      scope: 'invoices:write',
    })
    await expect(refused).rejects.toMatchObject({ error: 'access_denied', status: 400 })
  })

  it('is told invalid_client with a wrong secret, and with somebody else’s key', async () => {
    const wrong = await discover(botCredential.client_id, openid.ClientSecretBasic('wrong'))
    await expect(openid.clientCredentialsGrant(wrong)).rejects.toMatchObject({
      cause: expect.anything(),
      status: 401,
    })
    const stranger = await generateKeyPair('ES256')
    const forged = await discover(
      'invoice-bot',
      openid.PrivateKeyJwt({ key: stranger.privateKey, kid: 'bot' }),
    )
    await expect(openid.clientCredentialsGrant(forged)).rejects.toMatchObject({ status: 401 })
  })

  it('introspects with the resource’s credential, and revokes as the client', async () => {
    const asResource = await discover(
      resourceCredential.client_id,
      openid.ClientSecretBasic(resourceCredential.client_secret),
    )
    const config = await botByKey()
    const { access_token } = await openid.clientCredentialsGrant(config, resourceParameter)
    const parameters = { scope: 'invoices:read' }
    expect(await openid.tokenIntrospection(asResource, access_token, parameters)).toMatchObject({
      active: true,
      client_id: 'invoice-bot',
      sub: 'workload:invoice-bot',
      aud: billingAudience,
      scope: 'invoices:read',
      token_type: 'Bearer',
    })
    await openid.tokenRevocation(config, access_token)
    expect(await openid.tokenIntrospection(asResource, access_token)).toEqual({ active: false })
  })

  it('is told nothing of a session token by introspection', async () => {
    const asResource = await discover(
      resourceCredential.client_id,
      openid.ClientSecretBasic(resourceCredential.client_secret),
    )
    expect(await openid.tokenIntrospection(asResource, alice.token)).toEqual({ active: false })
  })

  it('may not introspect as a workload', async () => {
    const config = await discover(
      botCredential.client_id,
      openid.ClientSecretBasic(botCredential.client_secret),
    )
    await expect(openid.tokenIntrospection(config, await personalToken())).rejects.toMatchObject({
      status: 401,
    })
  })
})

describe('oauth4webapi', () => {
  const requestWith = (token: string) =>
    new Request('https://billing.example.com/invoices', {
      headers: { Authorization: `Bearer ${token}` },
    })

  async function server(): Promise<oauth.AuthorizationServer> {
    const issuer = new URL(broker.issuer)
    const response = await oauth.discoveryRequest(issuer, {
      algorithm: 'oauth2',
      [oauth.allowInsecureRequests]: true,
    })
    return oauth.processDiscoveryResponse(issuer, response)
  }

  it('validates an access token as RFC 9068 says', async () => {
    const claims = await oauth.validateJwtAccessToken(
      await server(),
      requestWith(await personalToken()),
      billingAudience,
      { [oauth.allowInsecureRequests]: true },
    )
    expect(claims).toMatchObject({
      sub: 'alice@example.com',
      client_id: 'hallpass',
      scope: 'invoices:read',
    })
  })

  it('refuses it on another resource', async () => {
    const validated = oauth.validateJwtAccessToken(
      await server(),
      requestWith(await personalToken()),
      'https://stock.example.com',
      { [oauth.allowInsecureRequests]: true },
    )
    await expect(validated).rejects.toMatchObject({ code: oauth.JWT_CLAIM_COMPARISON })
  })
})

describe('express-oauth2-jwt-bearer, strict', () => {
  let close = () => {}
  let url = ''

  beforeAll(async () => {
    const app = express()
    app.use(auth({ issuerBaseURL: broker.issuer, audience: billingAudience, strict: true }))
    app.get('/invoices', requiredScopes('invoices:read'), (request, response) => {
      response.json({ sub: request.auth?.payload.sub })
    })
    app.post('/invoices', requiredScopes('invoices:write'), (_, response) => {
      response.json({})
    })
    // express must hand the library's status on, and print nothing
    app.use(
      (
        error: { status?: number },
        _request: express.Request,
        response: express.Response,
        _next: express.NextFunction,
      ) => {
        response.status(error.status ?? 500).end()
      },
    )
    const listening = app.listen(0)
    close = () => listening.close()
    await new Promise((resolve) => listening.on('listening', resolve))
    url = `http://localhost:${(listening.address() as AddressInfo).port}/invoices`
  })
  afterAll(() => close())

  const authorized = (token: string, method = 'GET') =>
    call(url, { method, headers: { Authorization: `Bearer ${token}` } })

  it('lets a token with the scope in', async () => {
    expect(await authorized(await personalToken())).toMatchObject({
      status: 200,
      body: { sub: 'alice@example.com' },
    })
  })

  it('refuses a scope the token lacks, a session token, and no token', async () => {
    expect((await authorized(await personalToken(), 'POST')).status).toBe(403)
    expect((await authorized(alice.token)).status).toBe(401)
    expect((await call(url)).status).toBe(401)
  })
})

describe('plain jose over the JWKS URL', () => {
  const verify = (token: string, keySet: ReturnType<typeof createRemoteJWKSet>) =>
    jwtVerify(token, keySet, { issuer: broker.issuer, audience: billingAudience, typ: 'at+jwt' })

  it.each(['ES256', 'EdDSA', 'RS256'] as const)(
    'verifies %s tokens, with a key set read before the key signed',
    async (tokenAlgorithm) => {
      const ctx = {
        ...broker.broker.services,
        tokenAlgorithm,
        actor: { kind: 'operator', id: 'tester', via: 'operator' },
      } as const
      await rotateKeys(ctx, { onlyWhenDue: false })
      const keySet = createRemoteJWKSet(new URL(`${broker.issuer}/oauth/jwks`))
      await verify(await personalToken(), keySet)
      await rotateKeys(ctx, { onlyWhenDue: false })
      const fetched = keySet.jwks()
      const { payload, protectedHeader } = await verify(await personalToken(), keySet)
      expect(protectedHeader.alg).toBe(tokenAlgorithm)
      expect(payload.sub).toBe('alice@example.com')
      expect(keySet.jwks()).toEqual(fetched)
    },
  )
})

describe('a token for the wrong side', () => {
  it('is refused by /v1 when it is an access token', async () => {
    const answer = await call(`${broker.url}/v1/me`, {
      headers: { Authorization: `Bearer ${await personalToken()}` },
    })
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
  })
})
