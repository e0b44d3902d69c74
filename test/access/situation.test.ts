import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AccessRequest, Review } from '../../src/access/request.ts'
import { requestView, seatedNow } from '../../src/access/request-view.ts'
import { applyReview } from '../../src/access/review.ts'
import {
  canBeFilled,
  eligibleReviewers,
  hasReviewed,
  isBarred,
  maySee,
  type RequestFacts,
  seatsThatFit,
  situationOf,
} from '../../src/access/situation.ts'
import { type Catalog, humanOf, parseCatalog } from '../../src/catalog/index.ts'

const now = new Date('2026-03-02T09:00:00Z')
const ids = ['ada', 'ben', 'cleo', 'dan', 'eve', 'fay'].map((name) => `${name}@example.com`)
const requester = 'alice@example.com'

interface Company {
  /** Who is in which of the three groups. */
  readonly groups: readonly (readonly string[])[]
  /** Each seat: from which groups, and how many. */
  readonly seats: readonly { readonly from: readonly number[]; readonly count: number }[]
  /** Accounts of one human, the first standing for it. */
  readonly aliases: readonly string[]
  readonly disabled: readonly string[]
}

const company: fc.Arbitrary<Company> = fc.record({
  groups: fc.tuple(fc.subarray(ids), fc.subarray(ids), fc.subarray(ids)),
  seats: fc.array(
    fc.record({
      from: fc.subarray([0, 1, 2], { minLength: 1 }),
      count: fc.integer({ min: 1, max: 2 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  aliases: fc.subarray([...ids, requester], { maxLength: 3 }),
  disabled: fc.subarray(ids, { maxLength: 2 }),
})

function catalogOf({ groups, seats, aliases }: Company): Catalog | undefined {
  const [first, ...others] = aliases
  const people = others.length === 0 ? '' : `people: { ${first}: [${others.join(', ')}] }`
  const approval = seats.map(
    ({ from, count }) =>
      `{ from: [${from.map((index) => `g${index}`).join(', ')}], count: ${count} }`,
  )
  const { catalog } = parseCatalog(
    `
version: 1
${people}
groups:
  askers: [${requester}, zoe@example.com]
${groups.map((members, index) => `  g${index}: [${members.join(', ')}]`).join('\n')}
admins: [askers]
resources:
  api:
    title: API
    audience: https://api.example.com
    owner: askers
    sensitivity: low
    scopes: { read: Read }
roles:
  reader: { resource: api, scopes: [read] }
policies:
  - name: read
    roles: [reader]
    requesters: [askers]
    max_duration: 1h
    approval: [${approval.join(', ')}]
`,
    { issuer: 'https://hallpass.example.com', readFile: () => undefined },
  )
  return catalog
}

const request: AccessRequest = {
  id: 'req_1',
  state: 'pending',
  subject: requester,
  resource: 'api',
  role: 'reader',
  requestedScopes: ['read'],
  scopes: ['read'],
  requestedDurationSeconds: 60,
  durationSeconds: 60,
  justification: '',
  ticket: null,
  startsAt: null,
  policy: 'read',
  catalogVersion: 1,
  seats: [],
  isBreakGlass: false,
  afterReview: null,
  reviewBy: null,
  extendsGrantId: null,
  grantId: null,
  version: 1,
  createdAt: now,
  createdVia: 'api',
  answerBy: new Date(now.getTime() + 60_000),
  decidedAt: null,
}

function factsOf(given: Company, reviews: readonly Review[]): RequestFacts {
  const account = (id: string) => ({
    id,
    kind: 'person' as const,
    claimGroups: [],
    isDisabled: given.disabled.includes(id),
  })
  return {
    request: {
      ...request,
      seats: given.seats.map(({ from, count }) => ({
        from: from.map((index) => `g${index}`),
        count,
        approvedBy: [],
      })),
    },
    reviews,
    subject: account(requester),
    people: new Map(ids.map((id) => [id, account(id)])),
    extended: undefined,
  }
}

function approvalBy(catalog: Catalog, reviewer: string): Review {
  const person = humanOf(catalog, reviewer)
  return {
    id: `rev_${reviewer}`,
    requestId: request.id,
    reviewer,
    person,
    verdict: 'approve',
    comment: null,
    scopes: null,
    durationSeconds: null,
    via: 'api',
    at: now,
  }
}

function outcomeOf(catalog: Catalog, facts: RequestFacts, id: string): string {
  const situation = situationOf(catalog, facts, now)
  const account = { id, kind: 'person' as const, claimGroups: [] }
  const outcome = applyReview(
    {
      request: situation.request,
      reviewer: {
        person: humanOf(catalog, id),
        isPerson: true,
        isOnRequestersSide: isBarred(catalog, situation, account),
        hasReviewed: hasReviewed(catalog, situation.reviews, id),
        via: 'api',
      },
      sides: situation.sides.map((side) => ({
        ...side,
        reviewerFits: seatsThatFit(catalog, side.seats, account),
      })),
      mustUseBrowser: false,
    },
    { verdict: 'approve' },
    now,
  )
  return outcome.kind === 'refused' ? outcome.code : outcome.kind
}

/** Tries every way to give each seat its people; slow and obviously right. */
function canFillAll(given: Company, accounts: readonly string[]): boolean {
  const places = given.seats.flatMap(({ from, count }) => Array(count).fill(from) as number[][])
  const [place, ...rest] = places
  if (place === undefined) return true
  const remaining = { ...given, seats: rest.map((from) => ({ from, count: 1 })) }
  return accounts
    .filter((id) => place.some((index) => given.groups[index]?.includes(id)))
    .some((id) =>
      canFillAll(
        remaining,
        accounts.filter((other) => other !== id),
      ),
    )
}

const checked = company.filter((given) => catalogOf(given) !== undefined)

describe('any company, any order of clicks', () => {
  it('opens exactly when distinct eligible humans fill every seat, never with the requester', () => {
    let completed = 0
    fc.assert(
      fc.property(checked, fc.shuffledSubarray(ids, { minLength: ids.length }), (given, clicks) => {
        const catalog = catalogOf(given)
        if (catalog === undefined) return
        const reviews: Review[] = []
        for (const id of clicks) {
          if (given.disabled.includes(id)) continue
          const outcome = outcomeOf(catalog, factsOf(given, reviews), id)
          if (outcome !== 'counted' && outcome !== 'completed') continue
          reviews.push(approvalBy(catalog, id))
          const accounts = reviews.map(({ reviewer }) => reviewer)
          const humans = accounts.map((account) => humanOf(catalog, account))
          expect(new Set(humans).size).toBe(humans.length)
          expect(humans).not.toContain(humanOf(catalog, requester))
          expect(canFillAll(given, accounts)).toBe(outcome === 'completed')
          if (outcome === 'completed') {
            completed += 1
            return
          }
        }
        // nobody is left who could help
        const left = clicks.filter((id) => !given.disabled.includes(id))
        for (const id of left) {
          expect(outcomeOf(catalog, factsOf(given, reviews), id)).not.toBe('completed')
        }
      }),
      { numRuns: 400 },
    )
    expect(completed).toBeGreaterThan(50)
  })

  it('names as eligible exactly those whose approval would be counted', () => {
    fc.assert(
      fc.property(checked, fc.subarray(ids, { maxLength: 3 }), (given, before) => {
        const catalog = catalogOf(given)
        if (catalog === undefined) return
        const reviews = before.map((id) => approvalBy(catalog, id))
        const facts = factsOf(given, reviews)
        const eligible = eligibleReviewers(catalog, situationOf(catalog, facts, now), now)
        const counted = ids.filter(
          (id) =>
            !given.disabled.includes(id) &&
            ['counted', 'completed'].includes(outcomeOf(catalog, facts, id)),
        )
        expect(eligible).toEqual(counted.toSorted())
      }),
      { numRuns: 400 },
    )
  })

  it('refuses an ask exactly when no set of eligible humans could fill its seats', () => {
    fc.assert(
      fc.property(checked, (given) => {
        const catalog = catalogOf(given)
        if (catalog === undefined || given.aliases.length > 1) return
        const enabled = ids.filter((id) => !given.disabled.includes(id))
        const situation = situationOf(catalog, factsOf(given, []), now)
        expect(canBeFilled(catalog, situation)).toBe(canFillAll(given, enabled))
      }),
      { numRuns: 400 },
    )
  })

  it('shows a seat as filled only by who approved, each once', () => {
    fc.assert(
      fc.property(checked, fc.subarray(ids, { maxLength: 4 }), (given, before) => {
        const catalog = catalogOf(given)
        if (catalog === undefined) return
        // a human reviews once, by whichever account
        const humans = before.map((id) => humanOf(catalog, id))
        const once = before.filter((_, index) => humans.indexOf(humans[index] ?? '') === index)
        const reviews = once.map((id) => approvalBy(catalog, id))
        const situation = situationOf(catalog, factsOf(given, reviews), now)
        const seated = seatedNow(catalog, situation).flatMap(({ approvedBy }) => approvedBy)
        expect(new Set(seated).size).toBe(seated.length)
        for (const id of seated) {
          expect(before).toContain(id)
          expect(given.disabled).not.toContain(id)
        }
      }),
    )
  })
})

describe('what is shown', () => {
  const given: Company = {
    groups: [['ada@example.com'], [], []],
    seats: [{ from: [0], count: 1 }],
    aliases: [],
    disabled: [],
  }
  const catalog = catalogOf(given)
  if (catalog === undefined) throw new Error('the company must check')

  it('names nobody as eligible once it is over, by its time alone', () => {
    const facts = { ...factsOf(given, []), comments: [] }
    expect(requestView(catalog, facts, now).eligibleReviewers).toEqual(['ada@example.com'])
    const late = requestView(catalog, facts, request.answerBy)
    expect(late).toMatchObject({ state: 'expired', eligibleReviewers: [] })
  })

  it('keeps who approved as it was, whatever the catalog says later', () => {
    const facts = factsOf({ ...given, groups: [[], [], []] }, [])
    const seats = facts.request.seats.map((seat) => ({ ...seat, approvedBy: ['ben@example.com'] }))
    const approved = { ...facts.request, seats, state: 'approved' as const }
    const view = requestView(catalog, { ...facts, request: approved, comments: [] }, now)
    expect(view.approval).toEqual([{ from: ['g0'], count: 1, approvedBy: ['ben@example.com'] }])
  })

  it('is seen by a reviewer and not by a stranger', () => {
    const situation = situationOf(catalog, factsOf(given, []), now)
    const account = (id: string) => ({ id, kind: 'person' as const, claimGroups: [] })
    expect(maySee(catalog, situation, account('ada@example.com'))).toBe(true)
    expect(maySee(catalog, situation, account('ben@example.com'))).toBe(false)
    const workload = { id: 'workload:ada', kind: 'workload' as const, claimGroups: [] }
    expect(maySee(catalog, situation, workload)).toBe(false)
  })
})
