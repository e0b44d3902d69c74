import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import { subjectFacts } from '../../src/identity/index.ts'
import { Browser, hiddenFields, type Visit } from '../support/browser.ts'
import type { ProviderAccount } from '../support/identity-provider.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer({ hasProvider: true })

const alice: ProviderAccount = {
  sub: 'provider-alice',
  email: 'Alice@Example.com',
  email_verified: true,
  groups: ['okta-oncall', 'engineering'],
}

const isCallback = (location: URL) => location.pathname === '/auth/callback'

/** Up to the moment where the provider sends the browser back. */
async function upToCallback(browser: Browser, returnTo = '/sign-in'): Promise<URL> {
  const start = await browser.get(`${room.url}/sign-in?return_to=${encodeURIComponent(returnTo)}`)
  const back = await browser.follow(start, isCallback)
  if (back.location === undefined) throw new Error(`no way back: ${back.status} ${back.text}`)
  return back.location
}

async function signInAs(browser: Browser, account: ProviderAccount): Promise<Visit> {
  room.provider.setAccount(account)
  return browser.follow(await browser.get(await upToCallback(browser)))
}

async function lastEntry(): Promise<Record<string, unknown> | undefined> {
  const { rows } = await room.services.database.read((db) =>
    db.execute(sql`select action, outcome, code, subject, actor_kind, actor_id, actor_via, details
                   from audit_entry order by ctid desc limit 1`),
  )
  return rows[0]
}

const sessionCookie = '__Host-hallpass'

describe('sign-in at the identity provider', () => {
  beforeEach(() => {
    room.provider.setAccount(alice)
  })

  it('makes the lower-cased verified e-mail the subject, with a fresh audited session', async () => {
    const browser = new Browser()
    const page = await signInAs(browser, alice)
    expect(page.status).toBe(200)
    expect(page.text).toContain('alice@example.com')
    expect(await lastEntry()).toMatchObject({
      action: 'sign-in',
      outcome: 'ok',
      subject: 'alice@example.com',
      actor_kind: 'person',
      actor_id: 'alice@example.com',
      actor_via: 'browser',
    })
  })

  it('takes the groups claim from the userinfo endpoint and trusts it for 24 hours', async () => {
    await signInAs(new Browser(), alice)
    const facts = () =>
      room.services.database.read((db) => subjectFacts(db, room.services, 'alice@example.com'))
    expect((await facts()).claimGroups).toEqual(['okta-oncall', 'engineering'])
    const signedInAt = room.clock.now()
    room.clock.advance(24 * 3600)
    expect((await facts()).claimGroups).toEqual(['okta-oncall', 'engineering'])
    room.clock.advance(1)
    expect((await facts()).claimGroups).toEqual([])
    room.clock.set(signedInAt)
  })

  it('sets cookies that no script, no other host and no plain form post from elsewhere can use', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    const done = await browser.get(callback)
    const line = done.headers.getSetCookie().find((cookie) => cookie.startsWith(sessionCookie))
    expect(line).toMatch(/; Path=\//)
    expect(line).toMatch(/; HttpOnly/)
    expect(line).toMatch(/; Secure/)
    expect(line).toMatch(/; SameSite=Lax/)
    expect(line).not.toMatch(/Domain=/)
  })

  it('returns to the local page that was wanted', async () => {
    const browser = new Browser()
    const done = await browser.get(await upToCallback(browser, '/oauth/authorize?client_id=x'))
    expect(done.location?.href).toBe(`${room.url}/oauth/authorize?client_id=x`)
  })

  it.each([
    'https://evil.example',
    '//evil.example/x',
    '/\\evil.example',
    '/\t/evil.example',
    'javascript:alert(1)',
    '/..//evil.example',
  ])('never leads to %s afterwards', async (returnTo) => {
    const browser = new Browser()
    const done = await browser.get(await upToCallback(browser, returnTo))
    expect(done.location?.origin).toBe(room.url)
  })

  it('refuses a state that nobody was given', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    callback.searchParams.set('state', 'A'.repeat(43))
    const refused = await browser.get(callback)
    expect(refused.status).toBe(403)
    expect(browser.cookies('localhost').has(sessionCookie)).toBe(false)
    expect(await lastEntry()).toMatchObject({
      action: 'sign-in',
      outcome: 'refused',
      details: { reason: 'state_unknown' },
    })
  })

  it('refuses a callback without any state', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    callback.searchParams.delete('state')
    expect((await browser.get(callback)).status).toBe(403)
  })

  it('refuses the same state a second time', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    expect((await browser.get(callback)).status).toBe(303)
    const again = await browser.get(callback)
    expect(again.status).toBe(403)
    expect(again.text).toContain('Start again')
  })

  it('refuses an answer that another browser started (login CSRF)', async () => {
    const attacker = new Browser()
    const callback = await upToCallback(attacker)
    const victim = new Browser()
    expect((await victim.get(callback)).status).toBe(403)
    await victim.get(`${room.url}/sign-in`)
    expect((await victim.get(callback)).status).toBe(403)
    expect(victim.cookies('localhost').has(sessionCookie)).toBe(false)
  })

  it('refuses an answer after 10 minutes', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    const before = room.clock.now()
    room.clock.advance(10 * 60)
    expect((await browser.get(callback)).status).toBe(403)
    room.clock.set(before)
  })

  it('refuses an ID token that carries another nonce', async () => {
    const browser = new Browser()
    const start = await browser.get(`${room.url}/sign-in`)
    const tampered = new URL(start.location ?? '')
    tampered.searchParams.set('nonce', 'a-nonce-of-somebody-else')
    const back = await browser.follow(await browser.get(tampered), isCallback)
    const refused = await browser.get(back.location ?? '')
    expect(refused.status).toBe(403)
    expect(await lastEntry()).toMatchObject({ outcome: 'refused', code: 'unauthenticated' })
  })

  it('refuses a code that was injected from another sign-in (PKCE)', async () => {
    const thief = new Browser()
    const stolen = await upToCallback(new Browser())
    const own = await upToCallback(thief)
    own.searchParams.set('code', stolen.searchParams.get('code') ?? '')
    expect((await thief.get(own)).status).toBe(403)
    expect(await lastEntry()).toMatchObject({ details: { reason: 'invalid_grant' } })
  })

  it('refuses an answer that names another issuer (RFC 9207)', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    callback.searchParams.set('iss', 'https://evil.example')
    expect((await browser.get(callback)).status).toBe(403)
  })

  it('says so when the person declines at the provider', async () => {
    room.provider.setAccount(null)
    const browser = new Browser()
    const refused = await browser.get(await upToCallback(browser))
    expect(refused.status).toBe(403)
    expect(refused.text).not.toContain('the person said no')
    expect(await lastEntry()).toMatchObject({ details: { reason: 'access_denied' } })
  })

  it.each([
    [
      'unverified',
      { sub: 'p1', email: 'eve@example.com', email_verified: false },
      'email_unverified',
    ],
    ['not said to be verified', { sub: 'p2', email: 'eve@example.com' }, 'email_unverified'],
    ['missing', { sub: 'p3', email_verified: true }, 'email_missing'],
    [
      'shaped like a workload',
      { sub: 'p4', email: 'workload:invoice-bot@example.com', email_verified: true },
      'email_unusable',
    ],
  ])('refuses an e-mail that is %s', async (_name, account, reason) => {
    const refused = await signInAs(new Browser(), account)
    expect(refused.status).toBe(403)
    expect(await lastEntry()).toMatchObject({ outcome: 'refused', details: { reason } })
  })

  it('pins the provider account: another account with the same e-mail is refused', async () => {
    await signInAs(new Browser(), {
      sub: 'first',
      email: 'carol@example.com',
      email_verified: true,
    })
    const refused = await signInAs(new Browser(), {
      sub: 'second',
      email: 'carol@example.com',
      email_verified: true,
    })
    expect(refused.status).toBe(403)
    expect(await lastEntry()).toMatchObject({
      outcome: 'refused',
      subject: 'carol@example.com',
      details: { reason: 'account_changed' },
    })
  })

  it('refuses a pinned account that comes with another e-mail', async () => {
    await signInAs(new Browser(), { sub: 'mover', email: 'dana@example.com', email_verified: true })
    const refused = await signInAs(new Browser(), {
      sub: 'mover',
      email: 'sam@example.com',
      email_verified: true,
    })
    expect(refused.status).toBe(403)
    expect(await lastEntry()).toMatchObject({ details: { reason: 'email_changed' } })
  })

  it('ends the old session and takes a new secret at every sign-in (fixation)', async () => {
    const browser = new Browser()
    const callback = await upToCallback(browser)
    browser.cookies('localhost').set(sessionCookie, `hpb_${'A'.repeat(43)}`)
    await browser.get(callback)
    const first = browser.cookies('localhost').get(sessionCookie) ?? ''
    expect(first).not.toBe(`hpb_${'A'.repeat(43)}`)
    const second = new Browser()
    const again = await upToCallback(second)
    second.cookies('localhost').set(sessionCookie, first)
    await second.get(again)
    expect(second.cookies('localhost').get(sessionCookie)).not.toBe(first)
    const old = new Browser()
    old.cookies('localhost').set(sessionCookie, first)
    expect((await old.get(`${room.url}/sign-in`)).status).toBe(302)
  })

  it('lets two tabs of one browser sign in, each started before the other ended', async () => {
    const browser = new Browser()
    const [one, two] = [
      await browser.get(`${room.url}/sign-in`),
      await browser.get(`${room.url}/sign-in`),
    ]
    expect((await browser.follow(one)).text).toContain('alice@example.com')
    expect((await browser.follow(two)).text).toContain('alice@example.com')
  })

  it('does not let the cookie in where a Bearer token is asked for', async () => {
    const browser = new Browser()
    await signInAs(browser, alice)
    const cookie = browser.cookies('localhost').get(sessionCookie) ?? ''
    expect(cookie).toMatch(/^hpb_[A-Za-z0-9_-]{43}$/)
    const asBearer = await fetch(`${room.url}/v1/me`, {
      headers: { Authorization: `Bearer ${cookie}` },
    })
    expect(asBearer.status).toBe(401)
    expect((await browser.get(`${room.url}/v1/me`)).status).toBe(401)
  })

  it('signs out only with the token of its own page', async () => {
    const browser = new Browser()
    const page = await signInAs(browser, alice)
    const forged = await browser.post(`${room.url}/sign-out`, { form_token: 'guess' })
    expect(forged.status).toBe(403)
    const cookie = browser.cookies('localhost').get(sessionCookie) ?? ''
    const done = await browser.post(`${room.url}/sign-out`, hiddenFields(page, '/sign-out'))
    expect(done.status).toBe(200)
    expect(done.text).toContain('Signed out')
    const kept = new Browser()
    kept.cookies('localhost').set(sessionCookie, cookie)
    expect((await kept.get(`${room.url}/sign-in`)).location?.origin).toBe(room.provider.issuer)
    expect(browser.cookies('localhost').has(sessionCookie)).toBe(false)
  })

  it('has no development sign-in', async () => {
    const answer = await fetch(`${room.url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: 'alice@example.com' }),
    })
    expect(answer.status).toBe(404)
    expect((await new Browser().post(`${room.url}/sign-in/development`, {})).status).toBe(404)
  })

  it('shows pages that run no script and sit in no frame', async () => {
    const page = await signInAs(new Browser(), alice)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(page.text).not.toContain('<script')
    expect(page.headers.get('cache-control')).toBe('no-store')
  })
})
