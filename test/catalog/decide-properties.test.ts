import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Catalog, Condition, MemberReference, Policy } from '../../src/catalog/catalog.ts'
import { decide, isStillEligible } from '../../src/catalog/decide.ts'
import type { Ask, SubjectFacts } from '../../src/catalog/decision.ts'
import { isMember } from '../../src/catalog/membership.ts'
import { mustParse, smallCatalog } from './support.ts'

const base = mustParse(smallCatalog)
const now = new Date('2026-03-02T09:30:00Z')
const scopeNames = ['a', 'b', 'c', 'd']

const reference: fc.Arbitrary<MemberReference> = fc.oneof(
  fc.constantFrom<MemberReference>(
    { kind: 'group', name: 'engineering' },
    { kind: 'group', name: 'leads' },
    { kind: 'person', id: 'alice@example.com' },
    { kind: 'workload', name: 'bot' },
    { kind: 'claim', name: 'okta-oncall' },
  ),
)

const condition: fc.Arbitrary<Condition | undefined> = fc.constantFrom(
  undefined,
  { source: 'true', evaluate: () => true },
  { source: 'false', evaluate: () => false },
  {
    source: 'fails',
    evaluate: () => {
      throw new Error('no such index')
    },
  },
)

const policy = fc.record({
  roles: fc.uniqueArray(fc.constantFrom('r0', 'r1'), { minLength: 1 }),
  requesters: fc.array(reference, { minLength: 1, maxLength: 3 }),
  maxDurationSeconds: fc.constantFrom(600, 3_600, 86_400),
  minLength: fc.constantFrom(0, 10),
  when: condition,
  autoApprove: condition,
  approval: fc.array(
    fc.record({
      from: fc.array(reference, { minLength: 1 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 2 },
  ),
  isBreakGlass: fc.boolean(),
})

function asPolicies(drafts: readonly (typeof policy extends fc.Arbitrary<infer D> ? D : never)[]) {
  const template = base.policies[0]
  if (template === undefined) throw new Error('the small catalog has a policy')
  return drafts.map(
    ({ minLength, isBreakGlass, ...draft }, index): Policy => ({
      ...template,
      ...draft,
      name: `policy-${index}`,
      justification: { minLength, ticket: undefined },
      breakGlass: isBreakGlass ? { reviewWithinSeconds: 3_600 } : undefined,
    }),
  )
}

const anyCatalog: fc.Arbitrary<Catalog> = fc
  .tuple(
    fc.array(policy, { maxLength: 6 }),
    fc.uniqueArray(fc.constantFrom(...scopeNames), { minLength: 1 }),
    fc.uniqueArray(fc.constantFrom(...scopeNames), { minLength: 1 }),
  )
  .map(([drafts, r0, r1]) => ({
    ...base,
    roles: new Map([
      ['r0', { name: 'r0', resource: 'api', scopes: r0 }],
      ['r1', { name: 'r1', resource: 'api', scopes: r1 }],
    ]),
    policies: asPolicies(drafts),
  }))

const anySubject: fc.Arbitrary<SubjectFacts> = fc.constantFrom(
  { id: 'alice@example.com', kind: 'person', claimGroups: [] },
  { id: 'bob@example.com', kind: 'person', claimGroups: [] },
  { id: 'eve@example.com', kind: 'person', claimGroups: ['okta-oncall', 'leads'] },
  { id: 'workload:bot', kind: 'workload', claimGroups: [] },
)

const anyAsk: fc.Arbitrary<Ask> = fc.record({
  role: fc.constantFrom('r0', 'r1', 'r2'),
  scopes: fc.option(fc.array(fc.constantFrom(...scopeNames, 'z')), { nil: undefined }),
  durationSeconds: fc.constantFrom(1, 600, 601, 3_600, 3_601, 86_400, 86_401),
  justification: fc.constantFrom('', 'short', 'long enough to do'),
  ticket: fc.constantFrom(undefined, 'INC-1'),
  startsAt: fc.constantFrom(undefined, new Date('2026-03-03T00:00:00Z')),
  isBreakGlass: fc.boolean(),
  isExtension: fc.boolean(),
})

function onAny(check: (catalog: Catalog, subject: SubjectFacts, ask: Ask) => void): void {
  fc.assert(fc.property(anyCatalog, anySubject, anyAsk, check), { numRuns: 500 })
}

describe('whatever the catalog, the subject and the ask', () => {
  it('a decision never has a scope that was not asked for or is not the role’s', () => {
    onAny((catalog, subject, ask) => {
      const { outcome, scopes } = decide(catalog, subject, ask, now)
      const role = catalog.roles.get(ask.role)
      for (const scope of scopes) {
        expect(role?.scopes).toContain(scope)
        if (ask.scopes !== undefined) expect(ask.scopes).toContain(scope)
      }
      expect(scopes.length > 0).toBe(outcome !== 'deny')
    })
  })

  it('nothing is allowed or reviewed but by a policy that names the role and reaches the subject', () => {
    onAny((catalog, subject, ask) => {
      const { outcome, policy } = decide(catalog, subject, ask, now)
      if (outcome === 'deny') return
      expect(policy?.roles).toContain(ask.role)
      expect(isMember(catalog, policy?.requesters ?? [], subject)).toBe(true)
      expect(policy?.breakGlass !== undefined).toBe(ask.isBreakGlass)
      expect(ask.durationSeconds).toBeLessThanOrEqual(policy?.maxDurationSeconds ?? 0)
      expect(isStillEligible(catalog, subject, ask.role)).toBe(true)
    })
  })

  it('access before a review needs a policy that says so: none, auto_approve that holds, or break-glass', () => {
    onAny((catalog, subject, ask) => {
      const { outcome, policy } = decide(catalog, subject, ask, now)
      if (outcome !== 'allow') return
      const says =
        policy?.approval.length === 0 ||
        policy?.autoApprove?.source === 'true' ||
        policy?.breakGlass !== undefined
      expect(says).toBe(true)
    })
  })

  it('a denial says why, and which kind it is', () => {
    onAny((catalog, subject, ask) => {
      const { outcome, refusedAs, reasons, policy } = decide(catalog, subject, ask, now)
      expect(reasons.length).toBeGreaterThan(0)
      expect(refusedAs !== undefined).toBe(outcome === 'deny')
      if (refusedAs === 'outside_policy') expect(policy).toBeDefined()
      if (refusedAs === 'not_eligible') expect(policy).toBeUndefined()
    })
  })

  it('the first policy that matches decides: what stands after it changes nothing', () => {
    fc.assert(
      fc.property(
        anyCatalog,
        anySubject,
        anyAsk,
        fc.array(policy),
        (catalog, subject, ask, more) => {
          const decision = decide(catalog, subject, ask, now)
          fc.pre(decision.policy !== undefined || decision.trail.at(-1)?.outcome === 'failed')
          const policies = [...catalog.policies, ...asPolicies(more)]
          const again = decide({ ...catalog, policies }, subject, ask, now)
          expect(again).toEqual(decision)
        },
      ),
    )
  })

  it('policies about another role change nothing, wherever they stand', () => {
    fc.assert(
      fc.property(
        anyCatalog,
        anySubject,
        anyAsk,
        fc.array(policy),
        (catalog, subject, ask, more) => {
          const strangers = asPolicies(more).map((stranger) => ({ ...stranger, roles: ['r9'] }))
          const decision = decide(catalog, subject, ask, now)
          const policies = [...strangers, ...catalog.policies]
          const again = decide({ ...catalog, policies }, subject, ask, now)
          expect({ ...again, trail: [] }).toEqual({ ...decision, trail: [] })
        },
      ),
    )
  })

  it('asking for less is never refused where asking for more was not', () => {
    onAny((catalog, subject, ask) => {
      const more = decide(catalog, subject, ask, now)
      fc.pre(more.outcome !== 'deny')
      const [first] = more.scopes
      const less = { ...ask, scopes: [first ?? ''], durationSeconds: 1 }
      expect(decide(catalog, subject, less, now).outcome).toBe(more.outcome)
    })
  })

  it('the same question has the same answer', () => {
    onAny((catalog, subject, ask) => {
      expect(decide(catalog, subject, ask, now)).toEqual(decide(catalog, subject, ask, now))
    })
  })
})
