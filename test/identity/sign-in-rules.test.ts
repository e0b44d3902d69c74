import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeRedemption } from '../../src/identity/code-redemption.ts'
import { judgePin } from '../../src/identity/pin.ts'
import { identityOf, joinedClaims } from '../../src/identity/provider-identity.ts'
import { isLastSeenStale, isSessionLive } from '../../src/identity/session.ts'
import { factsOf, subjectKind } from '../../src/identity/subject.ts'

const start = new Date('2026-01-05T09:00:00Z')
const later = (seconds: number) => new Date(start.getTime() + seconds * 1000)

describe('isSessionLive', () => {
  const session = { lastSeenAt: start, expiresAt: later(8 * 3600), endedAt: null }

  it('counts a session up to, and not at, 30 idle minutes', () => {
    expect(isSessionLive(session, later(30 * 60 - 0.001))).toBe(true)
    expect(isSessionLive(session, later(30 * 60))).toBe(false)
  })

  it('counts a busy session up to, and not at, its end', () => {
    const busy = { ...session, lastSeenAt: later(8 * 3600 - 1) }
    expect(isSessionLive(busy, later(8 * 3600 - 0.001))).toBe(true)
    expect(isSessionLive(busy, later(8 * 3600))).toBe(false)
  })

  it('never counts a session that was ended, whatever the times', () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: 100_000 }), (seconds) => {
        expect(isSessionLive({ ...session, endedAt: start }, later(seconds))).toBe(false)
      }),
    )
  })

  it('writes the last use at most once a minute', () => {
    expect(isLastSeenStale(start, later(59.999))).toBe(false)
    expect(isLastSeenStale(start, later(60))).toBe(true)
  })
})

describe('factsOf', () => {
  const row = { id: 'alice@example.com', isDisabled: false, claimGroups: ['oncall'] }

  it('believes claims for 24 hours and not a millisecond longer', () => {
    const facts = (seconds: number) => factsOf({ ...row, claimsAt: start }, later(seconds))
    expect(facts(24 * 3600).claimGroups).toEqual(['oncall'])
    expect(facts(24 * 3600 + 0.001).claimGroups).toEqual([])
  })

  it('believes no claims of somebody who never signed in', () => {
    expect(factsOf({ ...row, claimsAt: null }, start).claimGroups).toEqual([])
  })

  it('knows a workload by its prefix alone', () => {
    expect(subjectKind('workload:invoice-bot')).toBe('workload')
    expect(subjectKind('Workload:invoice-bot')).toBe('person')
    expect(subjectKind('alice@example.com')).toBe('person')
  })
})

describe('identityOf', () => {
  const claims = { sub: 'p', email: 'Alice@Example.COM', email_verified: true }

  it('lower-cases the verified e-mail', () => {
    expect(identityOf('https://idp', claims, 'groups')).toEqual({
      issuer: 'https://idp',
      providerSubject: 'p',
      email: 'alice@example.com',
      groups: [],
    })
  })

  it.each([
    ['a list', ['a', 'b', 'a', '', 7, null, 'x'.repeat(201), 'nul\0'], ['a', 'b']],
    ['one text', 'a', ['a']],
    ['an object', { a: true }, []],
    ['nothing', undefined, []],
  ])('reads groups from %s', (_name, groups, expected) => {
    expect(identityOf('i', { ...claims, groups }, 'groups')).toMatchObject({ groups: expected })
  })

  it('reads groups from the claim that is configured, and from no other', () => {
    const both = { ...claims, groups: ['wrong'], roles: ['right'] }
    expect(identityOf('i', both, 'roles')).toMatchObject({ groups: ['right'] })
  })

  it.each([
    ['true as text', 'true'],
    ['one', 1],
    ['false', false],
    ['nothing', undefined],
    ['null', null],
  ])('does not believe an e-mail whose verification is %s', (_name, email_verified) => {
    expect(identityOf('i', { ...claims, email_verified }, 'groups')).toMatchObject({
      code: 'email_unverified',
    })
  })

  it.each([
    'workload:invoice-bot@example.com',
    'alice@example.com\n',
    'alice@example.com@evil.example',
    'alice example@example.com',
    '../alice@example.com',
    'alice@example.com,bob@example.com',
    'аlice@example.com',
    // the Kelvin sign, whose lower case is a plain k
    'mi\u212Ae@example.com',
    'alice@',
    '@example.com',
    `${'a'.repeat(250)}@example.com`,
  ])('does not make a subject of %j', (email) => {
    expect(identityOf('i', { ...claims, email }, 'groups')).toMatchObject({
      code: 'email_unusable',
    })
  })

  it.each([
    ['the ID token, when it says both', { email: 'a@x.com', email_verified: true }, 'a@x.com'],
    ['the other, when it leaves one out', { email: 'a@x.com' }, 'b@x.com'],
    ['the other, when it says nothing of the address', { email_verified: true }, 'b@x.com'],
  ])('takes an e-mail and its verification from one source: %s', (_name, idToken, email) => {
    const userInfo = { sub: 'p', email: 'b@x.com', email_verified: false, groups: ['g'] }
    const joined = joinedClaims({ sub: 'p', ...idToken }, userInfo)
    expect(joined).toMatchObject({ sub: 'p', email, groups: ['g'] })
    expect(joined.email_verified).toBe(email === 'a@x.com')
  })

  it('leaves an unverified e-mail of the ID token unverified when there is no other', () => {
    const joined = joinedClaims({ sub: 'p', email: 'a@x.com' }, { sub: 'p', email_verified: true })
    expect(identityOf('i', joined, 'groups')).toMatchObject({ code: 'email_unverified' })
  })

  it.each([undefined, '', 7, null, ['a@example.com']])('misses the e-mail in %j', (email) => {
    expect(identityOf('i', { ...claims, email }, 'groups')).toMatchObject({ code: 'email_missing' })
  })
})

describe('judgePin', () => {
  const identity = { issuer: 'i', providerSubject: 'p', email: 'a@example.com', groups: [] }

  it.each([
    ['first', { issuer: null, providerSubject: null }],
    ['again', { issuer: 'i', providerSubject: 'p' }],
    ['refused', { issuer: 'i', providerSubject: 'q' }],
    ['moved', { issuer: 'before', providerSubject: 'q' }],
  ])('says %s', (outcome, stored) => {
    expect(judgePin(stored, identity)).toBe(outcome)
  })
})

describe('judgeRedemption', () => {
  const codeVerifier = 'v'.repeat(43)
  const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')
  const stored = {
    clientId: 'hallpass-cli',
    redirectUri: 'http://127.0.0.1:1/cb',
    codeChallenge,
    expiresAt: later(60),
    usedAt: null,
  }
  const sent = {
    clientId: stored.clientId,
    redirectUri: stored.redirectUri,
    codeVerifier,
    code: 'c',
  }

  it('redeems what matches, in time', () => {
    expect(judgeRedemption(stored, sent, later(59.999))).toBe('good')
  })

  it.each([
    ['reused', { ...stored, usedAt: start }, sent, 1],
    ['expired', stored, sent, 60],
    ['mismatch', stored, { ...sent, clientId: 'dashboard' }, 1],
    ['mismatch', stored, { ...sent, redirectUri: 'http://127.0.0.1:2/cb' }, 1],
    ['mismatch', stored, { ...sent, redirectUri: 'http://127.0.0.1:1/cb/' }, 1],
    ['verifier', stored, { ...sent, codeVerifier: 'w'.repeat(43) }, 1],
    ['verifier', stored, { ...sent, codeVerifier: codeChallenge }, 1],
    ['verifier', stored, { ...sent, codeVerifier: '' }, 1],
    ['verifier', stored, { ...sent, codeVerifier: `${codeVerifier}v` }, 1],
  ])('says %s', (outcome, code, redemption, seconds) => {
    expect(judgeRedemption(code, redemption, later(seconds))).toBe(outcome)
  })

  it('takes reuse before everything else: a leaked code must close what it opened', () => {
    const reused = { ...stored, usedAt: start }
    expect(judgeRedemption(reused, { ...sent, codeVerifier: 'x' }, later(10_000))).toBe('reused')
  })
})
