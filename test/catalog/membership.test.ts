import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Catalog, Group } from '../../src/catalog/catalog.ts'
import {
  accountsOf,
  claimsIn,
  groupsOf,
  humanOf,
  isAdmin,
  isMember,
  isOnRequestersSide,
  isOwner,
  peopleOf,
  workloadsOf,
} from '../../src/catalog/membership.ts'
import { mustParse, person, textOf, wholeCatalogPath, withPart, workload } from './support.ts'

const catalog = mustParse(textOf(wholeCatalogPath), {
  'keys/invoice-bot.json': '{"keys":[{"kty":"OKP"}]}',
})

describe('membership', () => {
  it('reaches through nested groups', () => {
    expect(groupsOf(catalog, person('alice@example.com'))).toEqual(['engineering', 'everyone'])
    expect(
      isMember(catalog, [{ kind: 'group', name: 'everyone' }], person('sam@example.com')),
    ).toBe(true)
  })

  it('recognises a reviewer who is in the seat’s group only through nesting', () => {
    const nested = mustParse(
      withPart(
        '  leads: [bob@example.com, carol@example.com]',
        '  inner: [bob@example.com]\n  middle: [group:inner]\n  leads: [group:middle]',
      ),
    )
    const seat = nested.policies[0]?.approval[0]
    expect(isMember(nested, seat?.from ?? [], person('bob@example.com'))).toBe(true)
    expect(peopleOf(nested, seat?.from ?? [])).toEqual(['bob@example.com'])
  })

  it('counts a provider’s group only through claim:NAME, never by an equal name', () => {
    const stranger = person('eve@example.com', ['engineering', 'security', 'oncall'])
    expect(groupsOf(catalog, stranger)).toEqual([])
    expect(isAdmin(catalog, stranger)).toBe(false)
    expect(groupsOf(catalog, person('eve@example.com', ['okta-oncall']))).toEqual(['oncall'])
  })

  it('is of a person by exact id, not by a part of it', () => {
    expect(groupsOf(catalog, person('alice@example.com.evil.example'))).toEqual([])
    expect(groupsOf(catalog, person('ALICE@example.com'))).toEqual([])
  })

  it('does not take a workload for a person or a person for a workload', () => {
    const mixed = mustParse(
      withPart('dana@example.com', 'dana@example.com, workload:bot').replace(
        'admins: [leads]',
        'admins: [engineering]',
      ),
    )
    expect(groupsOf(mixed, workload('bot'))).toEqual(['engineering'])
    expect(groupsOf(mixed, { ...person('workload:bot') })).toEqual([])
    expect(groupsOf(mixed, { id: 'alice@example.com', kind: 'workload', claimGroups: [] })).toEqual(
      [],
    )
    expect(workloadsOf(mixed, [{ kind: 'group', name: 'engineering' }])).toEqual(['bot'])
    expect(peopleOf(mixed, [{ kind: 'group', name: 'engineering' }])).not.toContain('workload:bot')
    expect(isAdmin(mixed, workload('bot'))).toBe(false)
  })

  it('ignores claims of a workload', () => {
    const claimed = { ...workload('invoice-bot'), claimGroups: ['okta-oncall'] }
    expect(isMember(catalog, [{ kind: 'claim', name: 'okta-oncall' }], claimed)).toBe(false)
    expect(groupsOf(catalog, { ...workload('invoice-bot'), claimGroups: ['okta-oncall'] })).toEqual(
      [],
    )
  })

  it('lends one account nothing from another of the same human', () => {
    expect(groupsOf(catalog, person('alice.admin@example.com'))).toEqual([])
    expect(humanOf(catalog, 'alice.admin@example.com')).toBe('alice@example.com')
    expect(accountsOf(catalog, 'alice.admin@example.com')).toEqual([
      'alice.admin@example.com',
      'alice@example.com',
    ])
    expect(accountsOf(catalog, 'bob@example.com')).toEqual(['bob@example.com'])
  })

  it('lists the claims in reach', () => {
    expect(claimsIn(catalog, [{ kind: 'group', name: 'oncall' }])).toEqual(['okta-oncall'])
    expect(claimsIn(catalog, [{ kind: 'claim', name: 'x' }])).toEqual(['x'])
  })

  it('makes owners of the people in the owner group, through nesting', () => {
    expect(isOwner(catalog, 'billing-api', person('bob@example.com'))).toBe(true)
    expect(isOwner(catalog, 'billing-api', person('alice@example.com'))).toBe(false)
    expect(isOwner(catalog, 'wiki', person('alice@example.com'))).toBe(true)
    expect(isOwner(catalog, 'nothing', person('bob@example.com'))).toBe(false)
  })
})

describe('the requester’s side', () => {
  it('holds the requester, under every account', () => {
    expect(isOnRequestersSide(catalog, 'alice@example.com', person('alice@example.com'))).toBe(true)
    expect(
      isOnRequestersSide(catalog, 'alice.admin@example.com', person('alice@example.com')),
    ).toBe(true)
    expect(isOnRequestersSide(catalog, 'alice@example.com', person('bob@example.com'))).toBe(false)
  })

  it('holds everyone in a workload’s owner group, under every account', () => {
    expect(isOnRequestersSide(catalog, 'workload:invoice-bot', person('dana@example.com'))).toBe(
      true,
    )
    expect(
      isOnRequestersSide(catalog, 'workload:invoice-bot', person('alice.admin@example.com')),
    ).toBe(true)
    expect(isOnRequestersSide(catalog, 'workload:invoice-bot', person('bob@example.com'))).toBe(
      false,
    )
  })

  it('holds the human whose agent a workload is declared to be', () => {
    const agents = mustParse(
      withPart('groups:', 'people:\n  carol@example.com: [workload:bot]\ngroups:'),
    )
    expect(isOnRequestersSide(agents, 'workload:bot', person('carol@example.com'))).toBe(true)
    expect(isOnRequestersSide(agents, 'carol@example.com', workload('bot'))).toBe(true)
  })
})

/** Groups g0…g7 with people and nested groups at will: any graph, cycles too. */
const anyGroups = fc
  .array(
    fc.record({
      people: fc.uniqueArray(fc.integer({ min: 0, max: 5 })),
      nested: fc.uniqueArray(fc.integer({ min: 0, max: 7 })),
    }),
    { minLength: 8, maxLength: 8 },
  )
  .map((groups) => {
    const named = groups.map(({ people, nested }, index): [string, Group] => [
      `g${index}`,
      {
        name: `g${index}`,
        members: [
          ...people.map((id) => ({ kind: 'person', id: `p${id}@example.com` }) as const),
          ...nested.map((name) => ({ kind: 'group', name: `g${name}` }) as const),
        ],
      },
    ])
    return new Map(named)
  })

/** Membership by the book: repeat until nothing more is reached. */
function reachedByTheBook(groups: ReadonlyMap<string, Group>, name: string): Set<string> {
  const people = new Set<string>()
  const reached = new Set([name])
  for (let size = 0; size !== reached.size + people.size; ) {
    size = reached.size + people.size
    for (const group of [...reached]) {
      for (const member of groups.get(group)?.members ?? []) {
        if (member.kind === 'group') reached.add(member.name)
        if (member.kind === 'person') people.add(member.id)
      }
    }
  }
  return people
}

describe('membership of any graph of groups', () => {
  it('is what repeated reading reaches, and ends even in circles', () => {
    fc.assert(
      fc.property(anyGroups, (groups) => {
        const graph: Catalog = { ...catalog, groups }
        for (const name of groups.keys()) {
          const expected = reachedByTheBook(groups, name)
          expect(peopleOf(graph, [{ kind: 'group', name }])).toEqual([...expected].sort())
          for (let id = 0; id <= 5; id += 1) {
            const subject = person(`p${id}@example.com`)
            expect(groupsOf(graph, subject).includes(name)).toBe(expected.has(subject.id))
          }
        }
      }),
    )
  })
})
