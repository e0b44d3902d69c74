import { describe, expect, it } from 'vitest'
import {
  isKnownToVerifiers,
  isPublished,
  isRetirementDue,
  isRotationDue,
  isSignerTrusted,
  keyRotationSeconds,
  keySetMaxAgeSeconds,
  moveKey,
  type SigningKeyEvent,
  type SigningKeyState,
} from '../../src/tokens/signing-key.ts'

const states: SigningKeyState[] = ['next', 'active', 'retiring', 'retired', 'revoked']
const events: SigningKeyEvent[] = ['activate', 'discard', 'succeed', 'retire', 'revoke']
const now = new Date('2026-03-01T10:00:00.000Z')
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000)

describe('the life of a signing key', () => {
  const allowed: Record<string, SigningKeyState> = {
    'next activate': 'active',
    'next discard': 'retired',
    'next revoke': 'revoked',
    'active succeed': 'retiring',
    'active revoke': 'revoked',
    'retiring retire': 'retired',
    'retiring revoke': 'revoked',
    'retired revoke': 'revoked',
  }

  it.each(states.flatMap((state) => events.map((event) => [state, event] as const)))(
    '%s by %s goes where the table says, or nowhere',
    (state, event) => {
      expect(moveKey(state, event)).toBe(allowed[`${state} ${event}`])
    },
  )

  it('leads out of revoked by no event', () => {
    expect(events.map((event) => moveKey('revoked', event))).toEqual(events.map(() => undefined))
  })

  it('is published before it signs and until its tokens have ended, never when it was revoked', () => {
    expect(states.filter(isPublished)).toEqual(['next', 'active', 'retiring'])
  })

  it('vouches for tokens only while it signs or retires', () => {
    expect(states.filter(isSignerTrusted)).toEqual(['active', 'retiring'])
  })
})

describe('rotation', () => {
  const old = {
    publishedAt: ago(keyRotationSeconds + 400),
    activatedAt: ago(keyRotationSeconds),
  }
  const known = { publishedAt: ago(keySetMaxAgeSeconds), activatedAt: null }

  it('is due when the active key is old and every verifier has seen the next', () => {
    expect(isRotationDue(old, known, now)).toBe(true)
  })

  it('waits a second more for an active key that is a second younger', () => {
    const young = { ...old, activatedAt: ago(keyRotationSeconds - 1) }
    expect(isRotationDue(young, known, now)).toBe(false)
  })

  it('waits while a verifier may still hold a key set without the next key', () => {
    const unknown = { publishedAt: ago(keySetMaxAgeSeconds - 1), activatedAt: null }
    expect(isKnownToVerifiers(unknown, now)).toBe(false)
    expect(isRotationDue(old, unknown, now)).toBe(false)
  })
})

describe('retirement', () => {
  it('comes when the last token has ended, at that very instant', () => {
    expect(isRetirementDue(new Date(now.getTime() + 1), now)).toBe(false)
    expect(isRetirementDue(now, now)).toBe(true)
    expect(isRetirementDue(null, now)).toBe(true)
  })
})
