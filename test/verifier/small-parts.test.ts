import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ActivityBuffer } from '../../src/verifier/activity-buffer.ts'
import { type RecordedDecision, toWireEvent } from '../../src/verifier/activity-event.ts'
import { readAuthorization } from '../../src/verifier/authorization.ts'
import { reconnectDelay, retryDelay } from '../../src/verifier/back-off.ts'
import { BrokerReach } from '../../src/verifier/broker-reach.ts'
import { challenge } from '../../src/verifier/challenge.ts'
import { holdsScope, meetsAuthentication } from '../../src/verifier/demands.ts'
import { ReplayMemory } from '../../src/verifier/replay-memory.ts'
import { resourceMetadataUrl } from '../../src/verifier/resource-metadata.ts'
import { routeTemplate } from '../../src/verifier/route-template.ts'
import { type CheckedToken, TokenCache } from '../../src/verifier/token-cache.ts'

describe('the cache of checked tokens', () => {
  const entry = (isRevoked = false): CheckedToken => {
    const made: Pick<CheckedToken, 'isRevoked'> = { isRevoked }
    return made as CheckedToken
  }

  it('keeps what is used and forgets the rest, never holding more than its capacity', () => {
    const cache = new TokenCache(10)
    const used = entry()
    cache.put('used', used)
    for (let count = 0; count < 100; count += 1) {
      cache.put(`other ${count}`, entry())
      expect(cache.get('used')).toBe(used)
      expect(cache.size).toBeLessThanOrEqual(10)
    }
    expect(cache.get('other 0')).toBeUndefined()
  })

  it('does not let a late refill overwrite a revoked entry', () => {
    const cache = new TokenCache(10)
    const revoked = cache.put('a', entry())
    revoked.isRevoked = true
    expect(cache.put('a', entry())).toBe(revoked)
    // nor when it has aged into the older half
    for (let count = 0; count < 5; count += 1) cache.put(`other ${count}`, entry())
    expect(cache.put('a', entry())).toBe(revoked)
    expect(cache.get('a')?.isRevoked).toBe(true)
  })
})

describe('the memory of proofs', () => {
  it('knows a proof for as long as it could be shown again, and not for ever', () => {
    const memory = new ReplayMemory()
    expect(memory.remember('a', 1_000_000)).toBe('new')
    for (const at of [1_000_000, 1_064_999, 1_065_001, 1_129_000]) {
      expect(memory.remember('a', at)).toBe('seen')
    }
    expect(memory.remember('b', 5_000_000)).toBe('new')
    expect(memory.remember('a', 5_000_001)).toBe('new')
  })

  it('says no rather than forget', () => {
    const memory = new ReplayMemory()
    for (let count = 0; count < 200_000; count += 1) memory.remember(`p${count}`, 1)
    expect(memory.remember('one more', 2)).toBe('full')
    expect(memory.remember('p0', 3)).toBe('seen')
    expect(memory.remember('one more', 70_000)).toBe('new')
    expect(memory.remember('p0', 70_001)).toBe('seen')
  })
})

describe('waiting before the next attempt', () => {
  it('stays close together while a restarted broker must be found in time, then grows to 5 s', () => {
    for (const random of [0, 0.5, 0.999]) {
      expect(reconnectDelay(0, random)).toBeGreaterThanOrEqual(100)
      expect(reconnectDelay(5_999, random)).toBeLessThan(200.1)
      expect(reconnectDelay(3_600_000, random)).toBeLessThanOrEqual(5_000)
    }
    expect(reconnectDelay(60_000, 0)).toBe(2_500)
    expect(new Set([0, 0.3, 0.6].map((random) => reconnectDelay(60_000, random))).size).toBe(3)
  })

  it('doubles for what nobody waits for', () => {
    expect([1, 2, 3, 30].map((count) => retryDelay(count, 1))).toEqual([500, 1_000, 2_000, 30_000])
    expect(retryDelay(1, 0, { first: 200, longest: 1_000 })).toBe(100)
  })
})

describe('whether the broker is worth asking', () => {
  it('is asked patiently for 3 s before a valid call is refused, and then once a second', () => {
    const reach = new BrokerReach()
    expect(reach.resortAt(0, 'refuse')).toBe('ask')
    reach.failed(1_000, 1_500)
    expect(reach.resortAt(1_501, 'refuse')).toBe('ask')
    expect(reach.patienceAt(1_501)).toBe(2_499)
    reach.failed(3_800, 3_900)
    expect(reach.resortAt(3_999, 'refuse')).toBe('ask')
    expect(reach.resortAt(4_000, 'refuse')).toBe('decide_by_policy')
    expect([4_000, 4_500, 5_000].map((now) => reach.takeProbe(now))).toEqual([true, false, true])
    reach.answered()
    expect(reach.resortAt(6_000, 'refuse')).toBe('ask')
    expect(reach.failingSince).toBeUndefined()
  })

  it('is not waited for where a token is accepted anyway', () => {
    const reach = new BrokerReach()
    reach.failed(1_000, 1_100)
    expect(reach.resortAt(1_200, 'accept_until_expiry')).toBe('decide_by_policy')
    expect(reach.resortAt(2_100, 'accept_until_expiry')).toBe('ask')
    expect(reach.resortAt(9_000, 'accept_until_expiry')).toBe('decide_by_policy')
  })
})

describe('a challenge', () => {
  it('quotes what needs it and holds nothing that a header cannot', () => {
    const text = challenge('Bearer', { error: 'invalid_token', description: 'a "b" \\ c\r\nd é' })
    expect(text).toBe('Bearer error="invalid_token", error_description="a \\"b\\" \\\\ c??d ?"')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (description) => {
        const value = challenge('DPoP', { error: 'invalid_token', description })
        expect(value).toMatch(/^[\x20-\x7e]*$/)
        new Headers({ 'WWW-Authenticate': value })
      }),
    )
  })

  it('asks for a stronger sign-in as RFC 9470 says', () => {
    const facts = { authenticationClasses: ['mfa', 'phr'], maxAgeSeconds: 60 }
    expect(challenge('Bearer', { error: 'insufficient_user_authentication', ...facts })).toBe(
      'Bearer error="insufficient_user_authentication", acr_values="mfa phr", max_age="60"',
    )
    expect(challenge('Bearer', {})).toBe('Bearer')
  })
})

describe('the address of the metadata', () => {
  it.each([
    [
      'https://billing.example.com',
      'https://billing.example.com/.well-known/oauth-protected-resource',
    ],
    [
      'https://example.com/billing',
      'https://example.com/.well-known/oauth-protected-resource/billing',
    ],
    ['https://example.com/b?x=1', 'https://example.com/.well-known/oauth-protected-resource/b?x=1'],
    ['urn:billing', undefined],
    ['billing', undefined],
  ])('of %s is %s', (audience, url) => {
    expect(resourceMetadataUrl(audience)).toBe(url)
  })
})

describe('a route', () => {
  it.each([
    ['/invoices/:id', '/invoices/{id}'],
    ['/invoices/:id{[0-9]+}/lines/:line?', '/invoices/{id}/lines/{line}'],
    ['/invoices/:id(^\\d+$)', '/invoices/{id}'],
    ['/at/:lat-:lng', '/at/{lat}-{lng}'],
    ['/files/*path', '/files/{path}'],
    ['/files/*', '/files/*'],
    ['/invoices/{id}', '/invoices/{id}'],
  ])('%s is reported as %s', (route, template) => {
    expect(routeTemplate(route)).toBe(template)
  })
})

describe('an Authorization header', () => {
  it.each([
    [[], { token: undefined, isProofScheme: false }],
    [['Bearer abc'], { token: 'abc', isProofScheme: false }],
    [['DPOP abc'], { token: 'abc', isProofScheme: true }],
    [['Bearer'], { token: undefined, isProofScheme: false }],
    [['Bearerabc'], { token: undefined, isProofScheme: false }],
    [['Basic YTpi'], { token: undefined, isProofScheme: false }],
    [['Bearer a, Bearer b'], { token: 'a, Bearer b', isProofScheme: false }],
    [['Bearer a', 'Bearer a'], { token: 'Bearer a, Bearer a', isProofScheme: false }],
  ])('%j means %j', (values, expected) => {
    expect(readAuthorization(values)).toEqual(expected)
  })
})

describe('what is asked of a token', () => {
  it('is every scope, by whole name', () => {
    expect(holdsScope(['a', 'b:c'], 'b:c')).toBe(true)
    expect(holdsScope(['a', 'b:c'], 'a b:c')).toBe(true)
    for (const scope of ['b', 'a b', '', ' ', 'a ', 'b:c:d']) {
      expect(holdsScope(['a', 'b:c'], scope)).toBe(false)
    }
  })

  it('may be a recent and strong sign-in; one that the token does not tell of is neither', () => {
    const now = 1_000_000_000
    const told = { authenticationClass: 'mfa', authenticatedAt: now / 1000 - 30 }
    const silent = { authenticationClass: undefined, authenticatedAt: undefined }
    expect(meetsAuthentication(told, { acrValues: ['mfa'], maxAgeSeconds: 30 }, now)).toBe(true)
    expect(meetsAuthentication(told, { maxAgeSeconds: 29 }, now)).toBe(false)
    expect(meetsAuthentication(told, { acrValues: ['phr'] }, now)).toBe(false)
    expect(meetsAuthentication(silent, { acrValues: ['mfa'] }, now)).toBe(false)
    expect(meetsAuthentication(silent, { maxAgeSeconds: 9 }, now)).toBe(false)
    expect(meetsAuthentication(silent, {}, now)).toBe(true)
  })
})

describe('activity', () => {
  const bearer = { subject: 's', clientId: 'c', grantId: 'g', tokenId: 't' }
  const decision = (more: Partial<RecordedDecision> = {}): RecordedDecision => ({
    at: 0,
    bearer,
    scope: 'a',
    code: undefined,
    status: 200,
    request: undefined,
    ...more,
  })

  it('that does not fit is counted, and refusals without a token displace nothing', () => {
    const buffer = new ActivityBuffer(100)
    for (let count = 0; count < 50; count += 1) buffer.add(decision({ bearer: undefined }))
    expect([buffer.size, buffer.lostCount]).toEqual([10, 40])
    for (let count = 0; count < 95; count += 1) buffer.add(decision())
    expect([buffer.size, buffer.lostCount]).toEqual([100, 45])
    expect(buffer.take(60)).toHaveLength(60)
    buffer.add(decision({ bearer: undefined }))
    expect([buffer.size, buffer.lostCount]).toEqual([41, 45])
  })

  it('is told as CONTRACTS §6 says, cut to what is reasonable', () => {
    const request = {
      method: 'GET',
      route: '/invoices/{id}',
      object: 'x'.repeat(1_000),
      bytesIn: 1.4,
      bytesOut: Number.NaN,
      durationMilliseconds: -1,
      status: 201,
      userAgent: '',
    }
    const event = JSON.parse(JSON.stringify(toWireEvent('e1', decision({ request }))))
    expect(event).toEqual({
      id: 'e1',
      at: '1970-01-01T00:00:00.000Z',
      grant_id: 'g',
      subject: 's',
      scope: 'a',
      method: 'GET',
      route: '/invoices/{id}',
      object: 'x'.repeat(300),
      outcome: 'allowed',
      status: 201,
      bytes_in: 1,
    })
    const denied = decision({ bearer: undefined, code: 'token_expired', status: 401 })
    expect(toWireEvent('e2', denied)).toMatchObject({
      method: 'VERIFY',
      route: '*',
      outcome: 'denied',
      reason: 'token_expired',
      status: 401,
      grant_id: undefined,
    })
  })
})
