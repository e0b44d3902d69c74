import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coveringGrants } from '../../src/tokens/covering-grants.ts'

const at = (minute: number) => new Date(Date.UTC(2026, 2, 1, 10, minute))
const wide = { id: 'grt_1', scopes: ['a', 'b', 'c'], endsAt: at(50) }
const narrow = { id: 'grt_2', scopes: ['a'], endsAt: at(10) }
const narrowLater = { id: 'grt_4', scopes: ['a'], endsAt: at(20) }
const narrowSame = { id: 'grt_3', scopes: ['a'], endsAt: at(20) }

describe('the grant that a client gets when it names none', () => {
  it('is the narrowest that covers, then the one that ends last, then the oldest', () => {
    const found = coveringGrants([wide, narrow, narrowLater, narrowSame], ['a'])
    expect(found.map(({ id }) => id)).toEqual(['grt_3', 'grt_4', 'grt_2', 'grt_1'])
  })

  it('is a wide one when only that covers', () => {
    expect(coveringGrants([wide, narrow], ['a', 'c'])).toEqual([wide])
  })

  it('is none when no single grant covers, though two together would', () => {
    expect(coveringGrants([narrow, { ...wide, scopes: ['b', 'c'] }], ['a', 'b'])).toEqual([])
  })

  it('is the narrowest of all when no scope is named', () => {
    expect(coveringGrants([wide, narrow], [])[0]).toBe(narrow)
  })

  it('always covers, and no covering grant is narrower than the first', () => {
    const scopes = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'))
    const grants = fc.array(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 4 }),
        scopes,
        endsAt: fc.integer({ min: 0, max: 59 }).map(at),
      }),
    )
    fc.assert(
      fc.property(grants, scopes, (given, asked) => {
        const covers = (held: readonly string[]) => asked.every((scope) => held.includes(scope))
        const found = coveringGrants(given, asked)
        expect(found).toHaveLength(given.filter((grant) => covers(grant.scopes)).length)
        expect(found.every((grant) => covers(grant.scopes))).toBe(true)
        const sizes = found.map((grant) => grant.scopes.length)
        expect(sizes).toEqual([...sizes].sort((a, b) => a - b))
      }),
    )
  })
})
