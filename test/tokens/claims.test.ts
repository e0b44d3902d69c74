import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ClaimFacts, claimsOf, clientIdOf, scopesOf } from '../../src/tokens/claims.ts'

const now = new Date('2026-03-01T10:00:00.750Z')

function facts(changes: {
  readonly endsAt?: Date
  readonly now?: Date
  readonly tokenLifetimeSeconds?: number
}): ClaimFacts {
  return {
    issuer: 'https://hallpass.example.com',
    jti: 'jti_1',
    clientId: 'hallpass',
    scopes: ['invoices:read', 'invoices:write'],
    now: changes.now ?? now,
    grant: {
      id: 'grt_1',
      subject: 'alice@example.com',
      audience: 'https://billing.example.com',
      endsAt: changes.endsAt ?? new Date('2026-03-01T12:00:00.000Z'),
      tokenLifetimeSeconds: changes.tokenLifetimeSeconds ?? 600,
    },
  }
}

describe('claims of a token', () => {
  it('are those of RFC 9068, for one audience', () => {
    const second = Math.floor(now.getTime() / 1000)
    expect(claimsOf(facts({}))).toEqual({
      iss: 'https://hallpass.example.com',
      sub: 'alice@example.com',
      aud: 'https://billing.example.com',
      client_id: 'hallpass',
      scope: 'invoices:read invoices:write',
      iat: second,
      nbf: second,
      exp: second + 600,
      jti: 'jti_1',
      grant_id: 'grt_1',
    })
  })

  it('end with the grant when that is sooner, rounded down', () => {
    const endsAt = new Date('2026-03-01T10:01:30.999Z')
    expect(claimsOf(facts({ endsAt }))?.exp).toBe(Date.parse('2026-03-01T10:01:30Z') / 1000)
  })

  it('are not made when no whole second of the grant is still to come', () => {
    const lastWhole = Math.floor(now.getTime() / 1000) * 1000
    expect(claimsOf(facts({ endsAt: new Date(lastWhole + 999) }))).toBeUndefined()
    expect(claimsOf(facts({ endsAt: now }))).toBeUndefined()
    expect(claimsOf(facts({ endsAt: new Date(now.getTime() - 60_000) }))).toBeUndefined()
    expect(claimsOf(facts({ endsAt: new Date(now.getTime() + 1000) }))).toBeDefined()
  })

  it('never outlive the grant or the lifetime, never start in the future, and never end before now', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_000_000_000_000 }),
        fc.integer({ min: -5_000, max: 40_000_000 }),
        fc.integer({ min: 30, max: 3600 }),
        (at, left, tokenLifetimeSeconds) => {
          const endsAt = new Date(at + left)
          const claims = claimsOf(facts({ now: new Date(at), endsAt, tokenLifetimeSeconds }))
          expect(claims === undefined).toBe(Math.floor((at + left) / 1000) * 1000 <= at)
          if (claims === undefined) return
          expect(claims.exp * 1000).toBeLessThanOrEqual(endsAt.getTime())
          expect(claims.exp - claims.iat).toBeLessThanOrEqual(tokenLifetimeSeconds)
          expect(claims.exp * 1000).toBeGreaterThan(at)
          expect(claims.iat * 1000).toBeLessThanOrEqual(at)
          expect(claims.nbf).toBe(claims.iat)
        },
      ),
    )
  })
})

describe('the client of a token', () => {
  it('is the name of a workload, and Hallpass for a person', () => {
    expect(clientIdOf('workload:invoice-bot')).toBe('invoice-bot')
    expect(clientIdOf('alice@example.com')).toBe('hallpass')
  })
})

describe('a scope parameter', () => {
  it('names each scope once, in order', () => {
    expect(scopesOf('b a  b c ')).toEqual(['b', 'a', 'c'])
    expect(scopesOf('')).toEqual([])
  })
})
