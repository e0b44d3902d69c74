import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import * as openid from 'openid-client'
import { beforeEach, describe, expect, it } from 'vitest'
import { endSessionsOf } from '../../src/identity/index.ts'
import { Browser, hiddenFields, type Visit } from '../support/browser.ts'
import { type Answer, call, clientWith } from '../support/client.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer()
const { clock, services } = room
const redirectUri = 'http://127.0.0.1:53682/callback'
const started = clock.now()

interface Asking {
  readonly verifier: string
  readonly url: URL
}

function ask(changes: Record<string, string> = {}): Asking {
  const verifier = randomBytes(32).toString('base64url')
  const url = new URL(`${room.url}/oauth/authorize`)
  const parameters = {
    response_type: 'code',
    client_id: 'hallpass-cli',
    redirect_uri: redirectUri,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'the-state',
    ...changes,
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return { verifier, url }
}

async function signInBrowser(subject: string): Promise<Browser> {
  const browser = new Browser()
  const page = await browser.get(`${room.url}/sign-in`)
  const fields = hiddenFields(page, '/sign-in/development')
  await browser.post(`${room.url}/sign-in/development`, { ...fields, subject })
  return browser
}

async function decide(browser: Browser, page: Visit, verdict: string): Promise<Visit> {
  const fields = hiddenFields(page, '/oauth/authorize')
  return browser.post(`${room.url}/oauth/authorize`, { ...fields, verdict })
}

function redeem(changes: Record<string, string>): Promise<Answer> {
  return call(`${room.url}/oauth/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'hallpass-cli',
      redirect_uri: redirectUri,
      ...changes,
    }).toString(),
  })
}

/** A code of Alice's, fresh. */
async function codeFor(asking: Asking, subject = 'alice@example.com'): Promise<string> {
  const browser = await signInBrowser(subject)
  const answer = await decide(browser, await browser.get(asking.url), 'allow')
  const code = answer.location?.searchParams.get('code')
  if (code == null) throw new Error(`no code: ${answer.status} ${answer.text}`)
  return code
}

async function statusOf(token: string): Promise<number> {
  return (await clientWith(room.url, token).get('/v1/me')).status
}

const invalidGrant = { status: 400, body: { error: 'invalid_grant' } }

describe('/oauth/authorize', () => {
  beforeEach(() => {
    clock.set(started)
  })

  it('has the person sign in first, and comes back with the same question', async () => {
    const browser = new Browser()
    const { url } = ask()
    const signIn = await browser.follow(await browser.get(url))
    const done = await browser.post(`${room.url}/sign-in/development`, {
      ...hiddenFields(signIn, '/sign-in/development'),
      subject: 'alice@example.com',
    })
    expect(done.location?.href).toBe(url.href)
    expect((await browser.follow(done)).text).toContain('Hallpass command line')
  })

  it('names the client, the person and where the code goes before it leaves', async () => {
    const browser = await signInBrowser('alice@example.com')
    const page = await browser.get(ask().url)
    expect(page.status).toBe(200)
    for (const named of [
      'Hallpass command line',
      'hallpass-cli',
      'alice@example.com',
      'http://127.0.0.1:53682',
    ]) {
      expect(page.text).toContain(named)
    }
    const policy = page.headers.get('content-security-policy')
    expect(policy).toContain("form-action 'self' http://127.0.0.1:53682")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(page.text).not.toMatch(/<script|hpc_/)
  })

  it('escapes what the catalog and the client wrote', async () => {
    const browser = await signInBrowser('alice@example.com')
    const { url } = ask({ client_id: 'dashboard', state: '"><script>alert(1)</script>' })
    const page = await browser.get(url)
    expect(page.text).toContain('Dashboard &lt;b&gt;&amp;amp;&lt;/b&gt;')
    expect(page.text).not.toContain('<script')
    const answer = await decide(browser, page, 'allow')
    expect(answer.location?.searchParams.get('state')).toBe('"><script>alert(1)</script>')
  })

  it('gives a one-use code that becomes a session of the command line', async () => {
    const asking = ask()
    const browser = await signInBrowser('alice@example.com')
    const answer = await decide(browser, await browser.get(asking.url), 'allow')
    expect(answer.status).toBe(303)
    expect(answer.location?.origin).toBe('http://127.0.0.1:53682')
    expect(answer.location?.searchParams.get('state')).toBe('the-state')
    expect(answer.location?.searchParams.get('iss')).toBe(room.url)
    const code = answer.location?.searchParams.get('code') ?? ''
    const token = await redeem({ code, code_verifier: asking.verifier })
    expect(token).toMatchObject({
      status: 200,
      body: {
        access_token: expect.stringMatching(/^hps_/),
        token_type: 'Bearer',
        expires_in: 8 * 3600,
      },
    })
    expect(token.headers.get('cache-control')).toBe('no-store')
    const cli = clientWith(room.url, token.body.access_token)
    const sessions = await cli.get('/v1/me/sessions')
    const current = sessions.body.items.find((item: { is_current: boolean }) => item.is_current)
    expect(current).toMatchObject({
      via: 'cli',
      authenticated_by: 'authorization_code:hallpass-cli',
    })
  })

  it('works with a stock client without special handling', async () => {
    const server = {
      issuer: room.url,
      authorization_endpoint: `${room.url}/oauth/authorize`,
      token_endpoint: `${room.url}/oauth/token`,
      authorization_response_iss_parameter_supported: true,
    }
    const config = new openid.Configuration(server, 'dashboard', undefined, openid.None())
    openid.allowInsecureRequests(config)
    const verifier = openid.randomPKCECodeVerifier()
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: 'http://[::1]:4000/cb',
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: 'st',
    })
    const browser = await signInBrowser('bob@example.com')
    const answer = await decide(browser, await browser.get(url), 'allow')
    const tokens = await openid.authorizationCodeGrant(config, answer.location ?? url, {
      pkceCodeVerifier: verifier,
      expectedState: 'st',
    })
    const me = await clientWith(room.url, tokens.access_token).get('/v1/me')
    expect(me.body).toMatchObject({ subject: 'bob@example.com' })
  })

  it('tells the client when the person cancels, and gives no code', async () => {
    const browser = await signInBrowser('alice@example.com')
    const answer = await decide(browser, await browser.get(ask().url), 'cancel')
    expect(answer.location?.searchParams.get('error')).toBe('access_denied')
    expect(answer.location?.searchParams.get('state')).toBe('the-state')
    expect(answer.location?.searchParams.has('code')).toBe(false)
  })

  it('takes anything but a plain allow as no', async () => {
    const browser = await signInBrowser('alice@example.com')
    for (const verdict of ['', 'ALLOW', 'yes']) {
      const answer = await decide(browser, await browser.get(ask().url), verdict)
      expect(answer.location?.searchParams.has('code')).toBe(false)
    }
  })

  it('gives no code to a form that this browser was not shown (CSRF)', async () => {
    const browser = await signInBrowser('alice@example.com')
    const fields = hiddenFields(await browser.get(ask().url), '/oauth/authorize')
    const target = `${room.url}/oauth/authorize`
    const attacker = await signInBrowser('bob@example.com')
    const foreign = hiddenFields(await attacker.get(ask().url), '/oauth/authorize').form_token ?? ''
    for (const form_token of ['', 'guess', foreign]) {
      const answer = await browser.post(target, { ...fields, form_token, verdict: 'allow' })
      expect(answer.status).toBe(403)
      expect(answer.location).toBeUndefined()
    }
    const { form_token: _, ...without } = fields
    expect((await browser.post(target, { ...without, verdict: 'allow' })).status).toBe(403)
  })

  it('checks the question again when it is answered', async () => {
    const browser = await signInBrowser('alice@example.com')
    const fields = hiddenFields(await browser.get(ask().url), '/oauth/authorize')
    const answer = await browser.post(`${room.url}/oauth/authorize`, {
      ...fields,
      redirect_uri: 'https://evil.example/',
      verdict: 'allow',
    })
    expect(answer.status).toBe(400)
    expect(answer.location).toBeUndefined()
  })

  it('sends nobody to a foreign address, signed in or not', async () => {
    const { url } = ask({ redirect_uri: 'https://evil.example/callback' })
    for (const browser of [new Browser(), await signInBrowser('alice@example.com')]) {
      const page = await browser.get(url)
      expect(page.status).toBe(400)
      expect(page.location).toBeUndefined()
    }
  })

  it('tells the client that PKCE is missing or plain', async () => {
    for (const changes of [{ code_challenge_method: 'plain' }, { code_challenge: '' }]) {
      const answer = await new Browser().get(ask(changes).url)
      expect(answer.location?.searchParams.get('error')).toBe('invalid_request')
    }
  })

  it('lets somebody else sign in instead', async () => {
    const browser = await signInBrowser('alice@example.com')
    const { url } = ask()
    const signOut = hiddenFields(await browser.get(url), '/sign-out')
    const out = await browser.post(`${room.url}/sign-out`, signOut)
    expect(out.status).toBe(200)
    const onwards = new URL(/href="([^"]+)"/.exec(out.text)?.[1] ?? '', room.url)
    expect(onwards.searchParams.get('return_to')).toBe(url.pathname + url.search)
    expect((await browser.get(onwards)).text).toContain('Development sign-in')
  })

  it('gives no code to somebody who signed out in the meantime, and offers to sign in', async () => {
    const browser = await signInBrowser('alice@example.com')
    const page = await browser.get(ask().url)
    browser.cookies('localhost').delete('__Host-hallpass')
    const answer = await decide(browser, page, 'allow')
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('Signed out')
    expect(answer.location).toBeUndefined()
  })

  it('does not take a Bearer token for a browser session', async () => {
    const asking = ask()
    const token = (await redeem({ code: await codeFor(asking), code_verifier: asking.verifier }))
      .body.access_token
    const page = await new Browser().get(ask().url, { Authorization: `Bearer ${token}` })
    expect(page.location?.pathname).toBe('/sign-in')
    const planted = new Browser()
    planted.cookies('localhost').set('__Host-hallpass', token)
    expect((await planted.get(ask().url)).location?.pathname).toBe('/sign-in')
  })
})

describe('an authorization code', () => {
  beforeEach(() => {
    clock.set(started)
  })

  it('used a second time ends the session that the first use opened', async () => {
    const asking = ask()
    const code = await codeFor(asking)
    const first = await redeem({ code, code_verifier: asking.verifier })
    expect(await statusOf(first.body.access_token)).toBe(200)
    expect(await redeem({ code, code_verifier: asking.verifier })).toMatchObject(invalidGrant)
    expect(await statusOf(first.body.access_token)).toBe(401)
  })

  it('opens one session at most under many simultaneous tries', async () => {
    const asking = ask()
    const code = await codeFor(asking)
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => redeem({ code, code_verifier: asking.verifier })),
    )
    const good = answers.filter(({ status }) => status === 200)
    expect(good).toHaveLength(1)
    expect(await statusOf(good[0]?.body.access_token)).toBe(401)
  })

  it.each([
    ['no verifier of the thief', { code_verifier: 'w'.repeat(43) }],
    ['another client', { client_id: 'dashboard' }],
    ['another address', { redirect_uri: 'http://127.0.0.1:53683/callback' }],
    ['a workload', { client_id: 'invoice-bot' }],
  ])('that was stolen is worth nothing with %s, and burnt by the try', async (_name, changes) => {
    const asking = ask()
    const code = await codeFor(asking)
    const stolen = { code, code_verifier: asking.verifier, ...changes }
    expect(await redeem(stolen)).toMatchObject(invalidGrant)
    expect(await redeem({ code, code_verifier: asking.verifier })).toMatchObject(invalidGrant)
    const { rows } = await services.database.read((db) =>
      db.execute(sql`select subject, outcome, code from audit_entry
        where action = 'redeem-authorization-code' and outcome = 'refused' order by ctid desc limit 1`),
    )
    expect(rows[0]).toEqual({
      subject: 'alice@example.com',
      outcome: 'refused',
      code: 'invalid_grant',
    })
  })

  it.each(['code', 'code_verifier', 'redirect_uri', 'client_id'])(
    'is not redeemed without %s',
    async (name) => {
      const asking = ask()
      const complete = { code: await codeFor(asking), code_verifier: asking.verifier }
      const answer = await redeem({ ...complete, [name]: '' })
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
      expect((await redeem(complete)).status).toBe(200)
    },
  )

  it('lasts 60 seconds', async () => {
    const [late, early] = [ask(), ask()]
    const [lateCode, earlyCode] = [await codeFor(late), await codeFor(early)]
    clock.advance(59)
    expect((await redeem({ code: earlyCode, code_verifier: early.verifier })).status).toBe(200)
    clock.advance(1)
    expect(await redeem({ code: lateCode, code_verifier: late.verifier })).toMatchObject(
      invalidGrant,
    )
  })

  it('is unknown when it is made up', async () => {
    for (const code of ['hpc_', 'x', `hpc_${'A'.repeat(43)}`, 'nul\0']) {
      expect(await redeem({ code, code_verifier: 'v'.repeat(43) })).toMatchObject(invalidGrant)
    }
  })

  it('ends with everything else its person has', async () => {
    const asking = ask()
    const code = await codeFor(asking, 'carol@example.com')
    await services.database.transaction((tx) => endSessionsOf(tx, services, 'carol@example.com'))
    expect(await redeem({ code, code_verifier: asking.verifier })).toMatchObject(invalidGrant)
  })

  it('rests as a hash alone', async () => {
    const code = await codeFor(ask())
    const { rows } = await services.database.read((db) =>
      db.execute(sql`select authorization_code::text as everything from authorization_code`),
    )
    expect(rows.length).toBeGreaterThan(0)
    for (const { everything } of rows) expect(everything).not.toContain(code.slice(4))
  })
})
