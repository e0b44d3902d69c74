import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCatalog } from '../../src/catalog/parse-catalog.ts'

interface Draft {
  readonly seats: readonly { readonly people: readonly number[]; readonly count: number }[]
  readonly requester: number
  /** p0 and p1 are one human. */
  readonly isAliased: boolean
}

const drafts: fc.Arbitrary<Draft> = fc.record({
  seats: fc.array(
    fc.record({
      people: fc.uniqueArray(fc.integer({ min: 0, max: 4 })),
      count: fc.integer({ min: 1, max: 2 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  // 5 is nobody's reviewer
  requester: fc.integer({ min: 0, max: 5 }),
  isAliased: fc.boolean(),
})

function catalogOf({ seats, requester, isAliased }: Draft): string {
  const address = (id: number) => `p${id}@example.com`
  return [
    'version: 1',
    ...(isAliased ? ['people: { p0@example.com: [p1@example.com] }'] : []),
    'groups:',
    '  owners: [p5@example.com]',
    ...seats.map(({ people }, index) => `  s${index}: [${people.map(address).join(', ')}]`),
    'admins: [owners]',
    'resources: { api: { audience: https://api.example.com, owner: owners, scopes: { read: R } } }',
    'roles: { reader: { resource: api, scopes: [read] } }',
    'policies:',
    '  - name: read',
    '    roles: [reader]',
    `    requesters: [${address(requester)}]`,
    '    max_duration: 1h',
    '    approval:',
    ...seats.map(({ count }, index) => `      - { from: [s${index}], count: ${count} }`),
  ].join('\n')
}

/** Tries every way to give each place of each seat to a different human. */
function canSeatByTrying(
  places: readonly (readonly number[])[],
  taken: readonly number[],
): boolean {
  const [first, ...rest] = places
  if (first === undefined) return true
  return first.some((human) => !taken.includes(human) && canSeatByTrying(rest, [...taken, human]))
}

describe('the seats of a policy', () => {
  it('load exactly when distinct people other than the requester can take every place', () => {
    fc.assert(
      fc.property(drafts, (draft) => {
        const human = (id: number) => (draft.isAliased && id === 1 ? 0 : id)
        const placesWithout = (excluded: number | undefined) =>
          draft.seats.flatMap(({ people, count }) =>
            Array.from({ length: count }, () => people.map(human).filter((id) => id !== excluded)),
          )
        const { faults } = parseCatalog(catalogOf(draft))
        const codes = new Set(faults.map(({ code }) => code))
        if (!canSeatByTrying(placesWithout(undefined), [])) {
          expect(codes).toEqual(new Set(['seat_without_people']))
        } else if (!canSeatByTrying(placesWithout(human(draft.requester)), [])) {
          expect(codes).toEqual(new Set(['seat_for_requester_only']))
        } else {
          expect(codes).toEqual(new Set())
        }
      }),
      { numRuns: 500 },
    )
  })
})
