import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Revocation, readRevocation, readSnapshot } from '../../src/verifier/revocation.ts'
import { RevocationSet } from '../../src/verifier/revocation-set.ts'

const token = { tokenId: 'jti_1', grantId: 'grt_1', subject: 'alice@example.com', issuedAt: 1_000 }
const targets = {
  token: 'jti_1',
  grant: 'grt_1',
  subject: 'alice@example.com',
  resource: 'billing',
}
type Kind = Revocation['kind']

function entry(kind: Kind, target: string = targets[kind], forgetAt = 100_000): Revocation {
  return { id: `rvk_${kind}_${target}`, kind, target, at: 2_000, forgetAt }
}

describe('the live set', () => {
  it.each(['token', 'grant', 'subject', 'resource'] as const)('finds a token by %s', (kind) => {
    const set = new RevocationSet()
    expect(set.concerns(token, 3_000)).toBe(false)
    expect(set.add(entry(kind))).toBe(true)
    expect(set.concerns(token, 3_000)).toBe(true)
    expect(set.size).toBe(1)
  })

  it.each(['token', 'grant', 'subject'] as const)('leaves others alone by %s', (kind) => {
    const set = new RevocationSet()
    set.add(entry(kind, 'other'))
    for (const target of Object.values(targets)) {
      for (const wrong of (['token', 'grant', 'subject'] as const).filter(
        (name) => targets[name] !== target,
      )) {
        set.add(entry(wrong, target))
      }
    }
    expect(set.concerns(token, 3_000)).toBe(false)
  })

  it('takes the same entry again without change, and never a shorter one', () => {
    const set = new RevocationSet()
    set.add(entry('grant'))
    expect(set.add(entry('grant'))).toBe(false)
    expect(set.add(entry('grant', 'grt_1', 5_000))).toBe(false)
    set.forget(90_000)
    expect(set.concerns(token, 90_000)).toBe(true)
    expect(set.add(entry('grant', 'grt_1', 200_000))).toBe(true)
    expect(set.size).toBe(1)
  })

  it('spares a token that was issued after a subject or resource may be used again', () => {
    for (const kind of ['subject', 'resource'] as const) {
      const set = new RevocationSet()
      set.add(entry(kind))
      expect(set.concerns({ ...token, issuedAt: 99_999 }, 99_000)).toBe(true)
      expect(set.concerns({ ...token, issuedAt: 100_000 }, 99_000)).toBe(false)
      expect(set.concerns({ ...token, issuedAt: 99_999 }, 100_000)).toBe(false)
    }
  })

  it('keeps a revoked grant and token for a minute longer than the broker, then forgets them', () => {
    const set = new RevocationSet()
    set.add(entry('grant'))
    set.add(entry('token', 'jti_2', 500_000))
    set.forget(159_999)
    expect(set.concerns(token, 159_999)).toBe(true)
    set.forget(160_000)
    expect(set.concerns(token, 160_000)).toBe(false)
    expect(set.size).toBe(1)
  })

  it('says what a plain list would say, for any entries in any order', () => {
    const kind = fc.constantFrom<Kind>('token', 'grant', 'subject', 'resource')
    const entries = fc.array(
      fc.record({
        id: fc.constant('rvk_1'),
        kind,
        target: fc.constantFrom('a', 'b', 'c'),
        at: fc.constant(0),
        forgetAt: fc.integer({ min: 1, max: 200_000 }),
      }),
    )
    const target = fc.constantFrom('a', 'b', 'c')
    const subject = fc.record({
      tokenId: target,
      grantId: target,
      subject: target,
      issuedAt: fc.integer({ min: 0, max: 200_000 }),
    })
    fc.assert(
      fc.property(entries, subject, fc.integer({ min: 0, max: 200_000 }), (list, one, now) => {
        const set = new RevocationSet()
        for (const revocation of list) set.add(revocation)
        const isMet = (revocation: Revocation) => {
          const isAlive = revocation.forgetAt > now && revocation.forgetAt > one.issuedAt
          if (revocation.kind === 'token') return revocation.target === one.tokenId
          if (revocation.kind === 'grant') return revocation.target === one.grantId
          if (revocation.kind === 'subject') return revocation.target === one.subject && isAlive
          return isAlive
        }
        expect(set.concerns(one, now)).toBe(list.some(isMet))
      }),
    )
  })
})

describe('reading what the broker sends', () => {
  const wire = {
    id: 'rvk_1',
    kind: 'grant',
    target: 'grt_1',
    at: '2027-01-15T08:00:00.123Z',
    forget_at: '2027-01-15T09:00:00.000Z',
  }

  it('takes an entry as CONTRACTS §5 writes it, and ignores what it does not know', () => {
    const at = Date.UTC(2027, 0, 15, 8, 0, 0, 123)
    const expected = { id: 'rvk_1', kind: 'grant', target: 'grt_1', at, forgetAt: at + 3_599_877 }
    expect(readRevocation({ ...wire, more: 1 })).toEqual(expected)
  })

  it.each([
    ['a kind nobody knows', { kind: 'planet' }],
    ['no target', { target: undefined }],
    ['a target that is no text', { target: 7 }],
    ['no time', { at: undefined }],
    ['no end', { forget_at: 'soon' }],
    ['no id', { id: null }],
  ])('understands no entry with %s, and no snapshot that has it', (_, change) => {
    const broken = { ...wire, ...change }
    expect(readRevocation(broken)).toBeUndefined()
    const snapshot = { revocations: [wire, broken], as_of: wire.at, when_cut_off: 'refuse' }
    expect(readSnapshot(snapshot)).toBeUndefined()
    expect(readSnapshot({ ...snapshot, revocations: [wire] })?.revocations).toHaveLength(1)
  })

  it('refuses when cut off unless it is told otherwise in so many words', () => {
    const snapshot = (when_cut_off: unknown) =>
      readSnapshot({ revocations: [], as_of: wire.at, when_cut_off })?.whenCutOff
    expect(snapshot('accept_until_expiry')).toBe('accept_until_expiry')
    for (const other of ['refuse', 'accept', undefined, null, true]) {
      expect(snapshot(other)).toBe('refuse')
    }
    expect(readSnapshot({ revocations: [], when_cut_off: 'refuse' })).toBeUndefined()
    expect(readSnapshot([])).toBeUndefined()
  })
})
