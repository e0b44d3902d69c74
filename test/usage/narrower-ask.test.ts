import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AskableRole, narrowerAsk } from '../../src/usage/narrower-ask.ts'

const minute = 60
const hour = 3600

function role(name: string, scopes: string[], maxDurationSeconds = 8 * hour): AskableRole {
  return { name, scopes, maxDurationSeconds }
}
const roles = [
  role('billing-reader', ['read']),
  role('billing-operator', ['read', 'write']),
  role('billing-admin', ['pay', 'read', 'write']),
]

type Past = Parameters<typeof narrowerAsk>[0]

function used(neededSeconds: number | null, grantedSeconds = 4 * hour, isOver = true) {
  return { grantedSeconds, neededSeconds, isOver }
}

function suggested(past: Partial<Past>, askable: readonly AskableRole[] = roles) {
  const usedScopes = past.usedScopes ?? ['read']
  return narrowerAsk(
    {
      role: 'billing-operator',
      grantedScopes: ['read', 'write'],
      usedScopes,
      neededScopes: usedScopes,
      holdings: [used(20 * minute)],
      ...past,
    },
    () => askable,
  )
}

describe('the role and scopes', () => {
  it('are the role with the fewest scopes that covers the use', () => {
    expect(suggested({})).toMatchObject({ role: 'billing-reader', scopes: ['read'] })
  })

  it('are the same role with fewer scopes where no role is narrower', () => {
    const askable = [role('billing-operator', ['read', 'write']), role('billing-admin', ['write'])]
    expect(suggested({}, askable)).toMatchObject({ role: 'billing-operator', scopes: ['read'] })
  })

  it('prefer the role that was held to another of the same width', () => {
    const askable = [role('a-role', ['read', 'write']), ...roles.slice(1)]
    expect(suggested({}, askable)).toMatchObject({ role: 'billing-operator' })
  })

  it('cover what may have been used, too', () => {
    const past = {
      role: 'billing-admin',
      grantedScopes: ['pay', 'read', 'write'],
      neededScopes: ['read', 'write'],
    }
    expect(suggested(past)).toMatchObject({ role: 'billing-operator', scopes: ['read', 'write'] })
  })

  it('are of no role that may not be held for as long as it was needed', () => {
    const askable = [role('billing-reader', ['read'], 10 * minute), ...roles.slice(1)]
    expect(suggested({}, askable)).toMatchObject({ role: 'billing-operator' })
  })

  it('are of no role that the subject may not ask for', () => {
    expect(suggested({}, [])).toBeNull()
  })
})

describe('the duration', () => {
  const seconds = (...holdings: Past['holdings']) => suggested({ holdings })?.durationSeconds

  it('is rounded up to quarters of an hour', () => {
    expect(seconds(used(20 * minute))).toBe(30 * minute)
    expect(seconds(used(30 * minute))).toBe(30 * minute)
    expect(seconds(used(0))).toBe(15 * minute)
  })

  it('leaves out the longest of twenty, and not the longest of nineteen', () => {
    const short = Array.from({ length: 18 }, () => used(10 * minute))
    expect(seconds(...short, used(3 * hour), used(10 * minute))).toBe(15 * minute)
    expect(seconds(...short, used(3 * hour))).toBe(3 * hour)
  })

  it('is never longer than what was granted', () => {
    expect(seconds(used(20 * minute, 20 * minute))).toBe(20 * minute)
  })

  it('takes no notice of grants that were not used', () => {
    expect(seconds(used(20 * minute), used(null), used(null))).toBe(30 * minute)
  })
})

describe('nothing is suggested', () => {
  const whole = { usedScopes: ['read', 'write'] }

  it('when nothing was used, or nobody said what', () => {
    expect(suggested({ usedScopes: [], holdings: [used(null)] })).toBeNull()
    expect(suggested({ usedScopes: [], neededScopes: ['read', 'write'] })).toBeNull()
  })

  it('when everything was used to the end', () => {
    expect(suggested({ ...whole, holdings: [used(4 * hour)] })).toBeNull()
    expect(suggested({ ...whole, holdings: [used(4 * hour - 5 * minute)] })).toBeNull()
  })

  it('for time alone while no used grant is over', () => {
    expect(suggested({ ...whole, holdings: [used(20 * minute, 4 * hour, false)] })).toBeNull()
    const over = [used(20 * minute, 4 * hour, false), used(20 * minute)]
    expect(suggested({ ...whole, holdings: over })).toEqual({
      role: 'billing-operator',
      scopes: ['read', 'write'],
      durationSeconds: 30 * minute,
    })
  })
})

describe('for any past use', () => {
  const scopes = ['a', 'b', 'c', 'd']
  const someScopes = fc.subarray(scopes, { minLength: 1 })
  const pasts = someScopes.chain((grantedScopes) =>
    fc.record({
      role: fc.constantFrom('one', 'two', 'three'),
      grantedScopes: fc.constant(grantedScopes),
      usedScopes: fc.subarray(grantedScopes, { minLength: 1 }),
      holdings: fc.array(
        fc
          .record({
            grantedSeconds: fc.integer({ min: 60, max: 30 * hour }),
            share: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
            isOver: fc.boolean(),
          })
          .map(({ grantedSeconds, share, isOver }) => ({
            grantedSeconds,
            neededSeconds: share === null ? null : share * grantedSeconds,
            isOver,
          })),
        { minLength: 1, maxLength: 30 },
      ),
    }),
  )
  const askable = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('one', 'two', 'three'),
      scopes: someScopes,
      maxDurationSeconds: fc.integer({ min: 60, max: 30 * hour }),
    }),
    { selector: ({ name }) => name },
  )

  it('a suggestion may be asked for, covers the use, and is narrower; the narrowest role is taken', () => {
    fc.assert(
      fc.property(pasts, askable, (given, roles) => {
        const past = { ...given, neededScopes: given.usedScopes }
        const suggestion = narrowerAsk(past, () => roles)
        const needed = past.holdings.flatMap((each) => each.neededSeconds ?? [])
        if (suggestion === null) return
        const granted = Math.max(...past.holdings.map((each) => each.grantedSeconds))
        const { durationSeconds } = suggestion
        const covered = needed.filter((seconds) => seconds <= durationSeconds).length
        expect(covered / needed.length).toBeGreaterThanOrEqual(0.95)
        expect(durationSeconds).toBeLessThanOrEqual(granted)
        expect(suggestion.scopes).toEqual(past.usedScopes)
        const isNarrower =
          suggestion.scopes.length < past.grantedScopes.length || durationSeconds < granted
        expect(isNarrower).toBe(true)
        const fits = roles.filter(
          (each) =>
            each.maxDurationSeconds >= durationSeconds &&
            past.usedScopes.every((scope) => each.scopes.includes(scope)),
        )
        const chosen = fits.find(({ name }) => name === suggestion.role)
        expect(chosen).toBeDefined()
        expect(Math.min(...fits.map((each) => each.scopes.length))).toBe(chosen?.scopes.length)
      }),
      { numRuns: 1000 },
    )
  })
})
