/** The algorithms that access tokens are signed with (RFC 7518 §3.1, RFC 8037 §3.1). */
export const tokenAlgorithms = ['RS256', 'ES256', 'EdDSA'] as const
export type TokenAlgorithm = (typeof tokenAlgorithms)[number]

/**
 * `next` is published and signs nothing yet, `active` signs, `retiring` stays published until its last token
 * has ended, `retired` and `revoked` are over.
 */
export type SigningKeyState = 'next' | 'active' | 'retiring' | 'retired' | 'revoked'

export type SigningKeyEvent = 'activate' | 'discard' | 'succeed' | 'retire' | 'revoke'

const moves: Record<SigningKeyState, Partial<Record<SigningKeyEvent, SigningKeyState>>> = {
  next: { activate: 'active', discard: 'retired', revoke: 'revoked' },
  active: { succeed: 'retiring', revoke: 'revoked' },
  retiring: { retire: 'retired', revoke: 'revoked' },
  retired: { revoke: 'revoked' },
  revoked: {},
}

/** The state after `event`, or undefined where the event means nothing. */
export function moveKey(
  state: SigningKeyState,
  event: SigningKeyEvent,
): SigningKeyState | undefined {
  return moves[state][event]
}

/** How long verifiers may keep a key set: `max-age` of `/oauth/jwks`, in seconds. */
export const keySetMaxAgeSeconds = 300
/** How long a key signs before the job rotates it. */
export const keyRotationSeconds = 30 * 24 * 60 * 60

/** Whether `/oauth/jwks` shows a key of this state. */
export function isPublished(state: SigningKeyState): boolean {
  return state === 'next' || state === 'active' || state === 'retiring'
}

/** Whether a token may have been signed by a key of this state and still count. */
export function isSignerTrusted(state: SigningKeyState): boolean {
  return state === 'active' || state === 'retiring'
}

interface KeyTimes {
  readonly publishedAt: Date
  readonly activatedAt: Date | null
}

/**
 * Whether the job should rotate: the active key has signed for 30 days, and every verifier that keeps a key
 * set for no longer than its `max-age` has seen the next key.
 */
export function isRotationDue(active: KeyTimes, next: KeyTimes, now: Date): boolean {
  return (
    active.activatedAt !== null &&
    secondsBetween(active.activatedAt, now) >= keyRotationSeconds &&
    isKnownToVerifiers(next, now)
  )
}

/** Whether a key has been published for at least as long as a key set may be kept. */
export function isKnownToVerifiers(key: KeyTimes, now: Date): boolean {
  return secondsBetween(key.publishedAt, now) >= keySetMaxAgeSeconds
}

/** Whether a retiring key is over: the last token that it signed has ended. */
export function isRetirementDue(lastTokenEndsAt: Date | null, now: Date): boolean {
  return lastTokenEndsAt === null || lastTokenEndsAt.getTime() <= now.getTime()
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000
}
