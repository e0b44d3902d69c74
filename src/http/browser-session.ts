import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { Actor } from '../context.ts'
import { HallpassError } from '../errors.ts'
import {
  authenticateBrowser,
  type CreatedSession,
  signInLifetimeSeconds,
} from '../identity/index.ts'
import type { HttpServices } from './services.ts'

/**
 * `__Host-`: set by this very host, for no other, and not over plain http. Browsers count http://localhost as
 * trustworthy and keep such cookies there, so development needs no weaker ones.
 */
const sessionCookie = '__Host-hallpass'
const signInCookie = '__Host-hallpass-sign-in'

const attributes = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

/** Who comes with this browser's session, if anybody. Pages ask this and never look at `Authorization`. */
export async function browserActor(c: Context, services: HttpServices): Promise<Actor | undefined> {
  return authenticateBrowser(services, getCookie(c, sessionCookie))
}

/** Hands a fresh session to the browser; whatever cookie it held before is overwritten. */
export function rememberSession(c: Context, session: CreatedSession): void {
  setCookie(c, sessionCookie, session.accessToken, { ...attributes, maxAge: session.expiresIn })
}

export function forgetSession(c: Context): void {
  setCookie(c, sessionCookie, '', { ...attributes, maxAge: 0 })
}

/**
 * The secret that ties a sign-in to this browser; made and set when there is none. One that exists is kept, so
 * that two tabs can sign in at once.
 */
export function browserSecret(c: Context, services: HttpServices): string {
  const known = knownBrowserSecret(c)
  const secret = known ?? services.ids.secret()
  setCookie(c, signInCookie, secret, { ...attributes, maxAge: signInLifetimeSeconds })
  return secret
}

export function knownBrowserSecret(c: Context): string | undefined {
  const value = getCookie(c, signInCookie)
  return value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

/** What a form carries to prove that this browser was shown it; `secret` is one of its cookies. */
export function formToken(secret: string, purpose: string): string {
  return createHmac('sha256', secret).update(`form:${purpose}`).digest('base64url')
}

/** Throws `not_permitted` unless the form came from a page that this browser was shown. */
export function requireFormToken(
  secret: string | undefined,
  purpose: string,
  given: string | null,
): void {
  if (secret !== undefined && given !== null) {
    const expected = Buffer.from(formToken(secret, purpose))
    const actual = Buffer.from(given)
    if (expected.length === actual.length && timingSafeEqual(expected, actual)) return
  }
  throw new HallpassError(
    'not_permitted',
    'This form is too old or came from elsewhere. Start again.',
  )
}

export function sessionSecret(c: Context): string | undefined {
  return getCookie(c, sessionCookie)
}
