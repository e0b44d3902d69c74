import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createIdentityProvider } from '../../src/identity/index.ts'
import { Browser } from '../support/browser.ts'
import { startIdentityProvider } from '../support/identity-provider.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer({ hasProvider: true })
const account = { sub: 'alice', email: 'alice@example.com', email_verified: true }
const isCallback = (location: URL) => location.pathname === '/auth/callback'

describe('while the identity provider is away', () => {
  it('says so on a page with 503, and works again by itself once it is back', async () => {
    const port = Number(new URL(room.provider.issuer).port)
    await room.provider.stop()
    const browser = new Browser()
    const away = await browser.get(`${room.url}/sign-in`)
    expect(away.status).toBe(503)
    expect(away.headers.get('retry-after')).toBe('5')
    expect(away.text).toContain('Not available now')
    expect(away.text).not.toMatch(/ECONNREFUSED|127\.0\.0\.1| at /)

    const back = await startIdentityProvider(`${room.url}/auth/callback`, port)
    back.setAccount(account)
    const page = await browser.follow(await browser.get(`${room.url}/sign-in`))
    expect(page.text).toContain('alice@example.com')

    const half = new Browser()
    const start = await half.get(`${room.url}/sign-in`)
    const callback = (await half.follow(start, isCallback)).location ?? ''
    await back.stop()
    const interrupted = await half.get(callback)
    expect(interrupted.status).toBe(503)
    expect(half.cookies('localhost').has('__Host-hallpass')).toBe(false)
    // who is signed in already needs no provider
    expect((await browser.get(`${room.url}/sign-in`)).text).toContain('alice@example.com')
  })
})

describe('a provider that does not answer as it should', () => {
  let server: Server | undefined

  afterEach(() => {
    server?.close()
    server?.closeAllConnections()
  })

  async function providerAnswering(listener: RequestListener): Promise<string> {
    const running = createServer(listener)
    server = running
    await new Promise<void>((resolve) => running.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(running.address() as AddressInfo).port}`
  }

  const secrets = { state: 's', nonce: 'n', codeVerifier: 'v'.repeat(43) }

  function provider(issuer: string) {
    return createIdentityProvider({
      issuer,
      clientId: 'hallpass',
      clientSecret: 'the-client-secret',
      groupsClaim: 'groups',
      redirectUri: 'http://localhost:8080/auth/callback',
    })
  }

  const outage = { code: 'cannot_decide', message: expect.stringContaining('identity provider') }

  it.each<[string, RequestListener]>([
    ['fails', (_request, response) => response.writeHead(500).end('broken')],
    ['sends a page', (_request, response) => response.end('<html>maintenance</html>')],
    ['sends half a document', (_request, response) => response.end('{"issuer": ')],
    [
      'names another issuer',
      (_request, response) => {
        response.setHeader('Content-Type', 'application/json')
        response.end(JSON.stringify({ issuer: 'https://other.example' }))
      },
    ],
    ['hangs', () => {}],
  ])('is an outage when it %s', async (_name, listener) => {
    const issuer = await providerAnswering(listener)
    await expect(provider(issuer).authorizationUrl(secrets)).rejects.toMatchObject(outage)
  })

  it('is an outage, not a refusal, when it fails at the code', async () => {
    const issuer = await providerAnswering((request, response) => {
      const origin = `http://${request.headers.host}`
      if (request.url?.startsWith('/.well-known/')) {
        response.setHeader('Content-Type', 'application/json')
        response.end(
          JSON.stringify({
            issuer: origin,
            authorization_endpoint: `${origin}/auth`,
            token_endpoint: `${origin}/token`,
            jwks_uri: `${origin}/jwks`,
          }),
        )
        return
      }
      response.writeHead(502).end()
    })
    const answer = new URLSearchParams({ code: 'c', state: 's' })
    await expect(provider(issuer).claimsOf(answer, secrets)).rejects.toMatchObject(outage)
  })

  it('is not spoken to over plain http unless it is on this machine', async () => {
    await expect(
      provider('http://idp.example.com').authorizationUrl(secrets),
    ).rejects.toMatchObject(outage)
  })
})
