import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  grantedVersusUsed,
  type HeldGrant,
  type UnusedPermission,
} from '../../src/usage/granted-versus-used.ts'

const hour = 3600
const start = Date.parse('2026-03-02T00:00:00.000Z')
const at = (hours: number) => new Date(start + hours * hour * 1000)
const window = { from: at(0), to: at(100) }
const noRoles = () => []

function held(facts: Partial<HeldGrant> = {}): HeldGrant {
  const endsAt = facts.endsAt ?? at(20)
  return {
    subject: 'alice@example.com',
    resource: 'billing-api',
    role: 'billing-operator',
    scopes: ['invoices:read', 'invoices:write'],
    startsAt: at(10),
    endsAt,
    heldUntil: endsAt,
    lastUsedAt: null,
    usedScopes: [],
    allowedCount: 0,
    ...facts,
  }
}

function rowOf(grants: readonly HeldGrant[], reporting = ['billing-api']): UnusedPermission {
  const rows = grantedVersusUsed(grants, new Set(reporting), window, noRoles)
  expect(rows).toHaveLength(1)
  const [row] = rows
  if (row === undefined) throw new Error('no row')
  return row
}

describe('the status', () => {
  const both = ['invoices:read', 'invoices:write']

  it('is used when a use named every scope', () => {
    const row = rowOf([held({ lastUsedAt: at(15), usedScopes: both })])
    expect(row).toMatchObject({ status: 'used', usedScopes: both, unusedScopes: [] })
  })

  it('is partly_used when uses named some scopes and not others', () => {
    const row = rowOf([held({ lastUsedAt: at(15), usedScopes: ['invoices:read'] })])
    expect(row).toMatchObject({
      status: 'partly_used',
      grantedScopes: both,
      usedScopes: ['invoices:read'],
      unusedScopes: ['invoices:write'],
      lastUsedAt: at(15),
    })
  })

  it('is unused when the resource told of other use and none of this, minted or not', () => {
    expect(rowOf([held()])).toMatchObject({ status: 'unused', usedScopes: [], unusedScopes: both })
  })

  it('is no_data when the resource told of nothing', () => {
    const row = rowOf([held()], ['ledger-api'])
    expect(row).toMatchObject({ status: 'no_data', usedScopes: [], unusedScopes: [] })
  })

  it('is no_data when the grant was used and no scope was named', () => {
    const row = rowOf([held({ lastUsedAt: at(15) })])
    expect(row).toMatchObject({ status: 'no_data', unusedScopes: [], lastUsedAt: at(15) })
  })

  it('does not count a use before the window', () => {
    const grant = held({ startsAt: at(-20), lastUsedAt: at(-1) })
    expect(rowOf([grant])).toMatchObject({ status: 'unused', lastUsedAt: at(-1) })
  })

  it('takes a scope as used when it was used through any grant, and else as unknown when it is so through any', () => {
    const read = held({ lastUsedAt: at(15), usedScopes: ['invoices:read'] })
    const unnamed = held({ lastUsedAt: at(16) })
    const never = held()
    for (const grants of [
      [read, unnamed, never],
      [never, unnamed, read],
      [unnamed, read, never],
    ]) {
      expect(rowOf(grants)).toMatchObject({
        status: 'partly_used',
        usedScopes: ['invoices:read'],
        unusedScopes: [],
        grantCount: 3,
        lastUsedAt: at(16),
      })
    }
  })

  it('is not unused as long as anything is unknown', () => {
    const unnamed = held({ scopes: ['invoices:read'], lastUsedAt: at(16) })
    const row = rowOf([held(), unnamed])
    expect(row).toMatchObject({ status: 'no_data', unusedScopes: ['invoices:write'] })
  })
})

describe('a row', () => {
  it('is of one subject, resource and role, and rows are sorted', () => {
    const rows = grantedVersusUsed(
      [
        held({ subject: 'dana@example.com' }),
        held({ role: 'billing-reader' }),
        held(),
        held({ resource: 'archive-api' }),
        held(),
      ],
      new Set(),
      window,
      noRoles,
    )
    expect(rows.map((row) => [row.subject, row.resource, row.role, row.grantCount])).toEqual([
      ['alice@example.com', 'archive-api', 'billing-operator', 1],
      ['alice@example.com', 'billing-api', 'billing-operator', 2],
      ['alice@example.com', 'billing-api', 'billing-reader', 1],
      ['dana@example.com', 'billing-api', 'billing-operator', 1],
    ])
  })

  it('is not made of what was not held in the window', () => {
    const grants = [
      held({ startsAt: at(-20), endsAt: at(0) }),
      held({ startsAt: at(100), endsAt: at(120) }),
      // taken back before it began
      held({ startsAt: at(30), endsAt: at(40), heldUntil: at(20) }),
    ]
    expect(grantedVersusUsed(grants, new Set(['billing-api']), window, noRoles)).toEqual([])
  })

  it('counts time held within the window alone, and once where two grants overlap', () => {
    const heldSeconds = (...grants: HeldGrant[]) => rowOf(grants).heldSeconds
    expect(heldSeconds(held({ startsAt: at(-5), endsAt: at(3) }))).toBe(3 * hour)
    expect(heldSeconds(held({ startsAt: at(98), endsAt: at(200) }))).toBe(2 * hour)
    expect(heldSeconds(held({ heldUntil: at(12) }))).toBe(2 * hour)
    expect(heldSeconds(held(), held({ startsAt: at(15), endsAt: at(25) }))).toBe(15 * hour)
    expect(heldSeconds(held(), held({ startsAt: at(12), endsAt: at(14) }))).toBe(10 * hour)
    expect(heldSeconds(held({ startsAt: at(50), endsAt: at(51) }), held())).toBe(11 * hour)
  })

  it('sums what was reported', () => {
    expect(rowOf([held({ allowedCount: 3 }), held({ allowedCount: 4 })]).useCount).toBe(7)
  })
})

/** One use as it happened; `scope` undefined when the resource named none. */
interface Use {
  readonly grant: number
  readonly scope: string | undefined
  readonly hour: number
}

interface History {
  readonly grants: readonly HeldGrant[]
  readonly uses: readonly Use[]
}

const allScopes = ['a', 'b', 'c']

/** Grants of few subjects, roles and resources, at whole hours around the window; uses while they lived. */
const histories: fc.Arbitrary<History> = fc
  .array(
    fc.record({
      subject: fc.constantFrom('alice', 'dana'),
      resource: fc.constantFrom('one', 'two'),
      role: fc.constantFrom('reader', 'writer'),
      scopes: fc.subarray(allScopes, { minLength: 1 }),
      startsAt: fc.integer({ min: -30, max: 110 }),
      lasts: fc.integer({ min: 1, max: 40 }),
      endsEarlyBy: fc.integer({ min: 0, max: 50 }),
      uses: fc.array(
        fc.record({ after: fc.nat(39), scope: fc.option(fc.constantFrom(...allScopes)) }),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 8 },
  )
  .map((given) => {
    const uses: Use[] = []
    const grants = given.map((each, grant): HeldGrant => {
      const endHour = each.startsAt + each.lasts
      const heldUntil = endHour - Math.min(each.endsEarlyBy, each.lasts + 5)
      for (const { after, scope } of each.uses) {
        const hour = each.startsAt + after
        const isAllowed = scope === null || each.scopes.includes(scope)
        if (hour < Math.min(heldUntil, 100) && isAllowed) {
          uses.push({ grant, scope: scope ?? undefined, hour })
        }
      }
      const { subject, resource, role, scopes } = each
      const times = { startsAt: at(each.startsAt), endsAt: at(endHour), heldUntil: at(heldUntil) }
      return held({ subject, resource, role, scopes, ...times })
    })
    return { grants, uses }
  })

/** What roll-ups would tell of these uses. */
function rolledUp({ grants, uses }: History): readonly HeldGrant[] {
  return grants.map((grant, index) => {
    const own = uses.filter((use) => use.grant === index)
    const named = own.filter(({ hour, scope }) => hour >= 0 && scope !== undefined)
    return {
      ...grant,
      lastUsedAt: own.length === 0 ? null : at(Math.max(...own.map((use) => use.hour))),
      usedScopes: [...new Set(named.map(({ scope }) => scope ?? ''))],
    }
  })
}

function reportingIn({ grants, uses }: History): ReadonlySet<string> {
  return new Set(uses.flatMap((use) => (use.hour >= 0 ? [grants[use.grant]?.resource ?? ''] : [])))
}

/** The same from the uses themselves, hour by hour and scope by scope, as CONTRACTS §6 says it. */
function naiveRow(history: History, row: UnusedPermission) {
  const hoursOf = ({ startsAt, heldUntil }: HeldGrant) => {
    const hours: number[] = []
    for (let h = 0; h < 100; h += 1) if (at(h) >= startsAt && at(h) < heldUntil) hours.push(h)
    return hours
  }
  const grants = history.grants.flatMap((grant, index) => {
    const { subject, resource, role } = grant
    const isOfRow = subject === row.subject && resource === row.resource && role === row.role
    return isOfRow && hoursOf(grant).length > 0 ? [{ grant, index }] : []
  })
  const usesOf = (index: number) =>
    history.uses.filter((use) => use.grant === index && use.hour >= 0)
  const told = history.uses.some(
    (use) => use.hour >= 0 && history.grants[use.grant]?.resource === row.resource,
  )
  const granted = new Set(grants.flatMap(({ grant }) => grant.scopes))
  const used = new Set<string>()
  const unused = new Set<string>()
  for (const scope of granted) {
    const holders = grants.filter(({ grant }) => grant.scopes.includes(scope))
    if (holders.some(({ index }) => usesOf(index).some((use) => use.scope === scope))) {
      used.add(scope)
      continue
    }
    const isKnownOf = (index: number) => {
      const uses = usesOf(index)
      if (uses.length > 0) return uses.some((use) => use.scope !== undefined)
      return told
    }
    if (holders.every(({ index }) => isKnownOf(index))) unused.add(scope)
  }
  return {
    grantCount: grants.length,
    grantedScopes: [...granted].sort(),
    usedScopes: [...used].sort(),
    unusedScopes: [...unused].sort(),
    heldSeconds: new Set(grants.flatMap(({ grant }) => hoursOf(grant))).size * hour,
  }
}

describe('for any grants and uses', () => {
  it('the rows equal those computed naively from the uses themselves', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const rows = grantedVersusUsed(rolledUp(history), reportingIn(history), window, noRoles)
        for (const row of rows) expect(row).toMatchObject(naiveRow(history, row))
        const heldKeys = history.grants
          .filter(({ startsAt, heldUntil }) => {
            const from = Math.max(startsAt.getTime(), window.from.getTime())
            return Math.min(heldUntil.getTime(), window.to.getTime()) > from
          })
          .map(({ subject, resource, role }) => `${subject} ${resource} ${role}`)
        const rowKeys = rows.map(({ subject, resource, role }) => `${subject} ${resource} ${role}`)
        expect(rowKeys).toEqual([...new Set(heldKeys)].sort())
      }),
      { numRuns: 500 },
    )
  })

  it('the order of the grants means nothing', () => {
    const shuffled = histories.chain((history) => {
      const grants = rolledUp(history)
      return fc.record({
        grants: fc.constant(grants),
        reporting: fc.constant(reportingIn(history)),
        other: fc.shuffledSubarray([...grants], { minLength: grants.length }),
      })
    })
    fc.assert(
      fc.property(shuffled, ({ grants, other, reporting }) => {
        const rows = grantedVersusUsed(grants, reporting, window, noRoles)
        expect(grantedVersusUsed(other, reporting, window, noRoles)).toEqual(rows)
      }),
    )
  })

  it('nothing on a resource that told of nothing is called unused', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const silent = rolledUp({ ...history, uses: [] })
        for (const row of grantedVersusUsed(silent, new Set(), window, noRoles)) {
          expect(row).toMatchObject({ status: 'no_data', unusedScopes: [], suggestion: null })
        }
      }),
    )
  })
})
