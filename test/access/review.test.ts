import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AccessRequest } from '../../src/access/request.ts'
import {
  applyReview,
  canStillApprove,
  narrowTerms,
  type ReviewFacts,
  type ReviewInput,
} from '../../src/access/review.ts'

const now = new Date('2026-03-02T09:00:00Z')

const request: AccessRequest = {
  id: 'req_1',
  state: 'pending',
  subject: 'alice@example.com',
  resource: 'billing-api',
  role: 'billing-operator',
  requestedScopes: ['invoices:read', 'invoices:write'],
  scopes: ['invoices:read', 'invoices:write'],
  requestedDurationSeconds: 3600,
  durationSeconds: 3600,
  justification: 'void a duplicate invoice',
  ticket: 'INC-42',
  startsAt: null,
  policy: 'billing-operate',
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
  answerBy: new Date(now.getTime() + 3_600_000),
  decidedAt: null,
}

const bob = {
  person: 'bob',
  isPerson: true,
  isOnRequestersSide: false,
  hasReviewed: false,
  via: 'api',
}
const oneSeat = { seats: [{ count: 1 }], approvals: [], reviewerFits: [0] }
const facts: ReviewFacts = { request, reviewer: bob, sides: [oneSeat], mustUseBrowser: false }
const approve: ReviewInput = { verdict: 'approve' }
const deny: ReviewInput = { verdict: 'deny' }

function codeOf(given: Partial<ReviewFacts>, input: ReviewInput = approve): string {
  const outcome = applyReview({ ...facts, ...given }, input, now)
  return outcome.kind === 'refused' ? outcome.code : outcome.kind
}

describe('an approval', () => {
  it('that fills the last seat completes the request', () => {
    expect(applyReview(facts, approve, now)).toEqual({
      kind: 'completed',
      terms: { scopes: ['invoices:read', 'invoices:write'], durationSeconds: 3600 },
      isNarrowed: false,
    })
  })

  it('counts, and completes nothing, while another seat is open', () => {
    const side = { seats: [{ count: 1 }, { count: 1 }], approvals: [], reviewerFits: [0, 1] }
    expect(codeOf({ sides: [side] })).toBe('counted')
  })

  it('must fill the recorded seats and those of the current policy', () => {
    const current = { seats: [{ count: 2 }], approvals: [], reviewerFits: [0] }
    expect(codeOf({ sides: [oneSeat, current] })).toBe('counted')
    const seated = { ...current, approvals: [{ person: 'carol', seats: [0] }] }
    const filled = { ...oneSeat, approvals: [{ person: 'carol', seats: [0] }] }
    expect(codeOf({ sides: [filled, seated] })).toBe('completed')
  })

  it('is refused when no seat is open for this person', () => {
    const taken = { ...oneSeat, approvals: [{ person: 'carol', seats: [0] }] }
    const open = { seats: [{ count: 1 }], approvals: [], reviewerFits: [] }
    expect(codeOf({ sides: [taken, open] })).toBe('seat_filled')
  })

  it('completes a request whose seats a catalog change left all filled', () => {
    const taken = { ...oneSeat, approvals: [{ person: 'carol', seats: [0] }] }
    expect(codeOf({ sides: [taken] })).toBe('completed')
  })

  it('needs the browser where policy says so, and only there', () => {
    expect(codeOf({ mustUseBrowser: true })).toBe('browser_required')
    expect(codeOf({ mustUseBrowser: true, reviewer: { ...bob, via: 'browser' } })).toBe('completed')
    expect(codeOf({ mustUseBrowser: true }, deny)).toBe('denied')
  })
})

describe('a denial', () => {
  it('ends the request, also by a person whose seat is taken', () => {
    expect(codeOf({}, deny)).toBe('denied')
    const taken = { ...oneSeat, approvals: [{ person: 'carol', seats: [0] }] }
    expect(codeOf({ sides: [taken] }, deny)).toBe('denied')
  })

  it.each(['approve', 'deny'] as const)('%s is nothing for a person without a seat', (verdict) => {
    const side = { ...oneSeat, reviewerFits: [] }
    expect(codeOf({ sides: [side] }, { verdict })).toBe('not_reviewer')
  })
})

describe('who is refused, and in which words first', () => {
  it.each(['approve', 'deny'] as const)('%s by the requester, though seated', (verdict) => {
    expect(codeOf({ reviewer: { ...bob, isOnRequestersSide: true } }, { verdict })).toBe(
      'self_review',
    )
  })

  it('a workload, whatever it is a member of', () => {
    expect(codeOf({ reviewer: { ...bob, isPerson: false } })).toBe('not_reviewer')
  })

  it('a second review of one person, also once the request is closed', () => {
    const reviewer = { ...bob, hasReviewed: true }
    expect(codeOf({ reviewer })).toBe('already_reviewed')
    const closed = { ...request, state: 'approved' as const }
    expect(codeOf({ reviewer, request: closed })).toBe('already_reviewed')
  })

  it.each(['approved', 'denied', 'cancelled', 'expired'] as const)(
    'a review of a %s request',
    (state) => {
      expect(codeOf({ request: { ...request, state } })).toBe('request_closed')
    },
  )

  it('a review after answer_by, though no job ran', () => {
    expect(codeOf({ request: { ...request, answerBy: now } })).toBe('request_closed')
    expect(codeOf({ request: { ...request, answerBy: now } }, deny)).toBe('request_closed')
  })

  it('a review of another version than the one that is', () => {
    expect(codeOf({}, { ...approve, version: 2 })).toBe('stale_version')
    expect(codeOf({}, { ...deny, version: 0 })).toBe('stale_version')
    expect(codeOf({}, { ...approve, version: 1 })).toBe('completed')
  })
})

describe('an emergency, afterwards', () => {
  const emergency = { ...request, state: 'approved' as const, isBreakGlass: true }

  it('is reviewed while its after-review is open, long after answer_by', () => {
    const open = { ...emergency, afterReview: 'open' as const, answerBy: new Date(0) }
    expect(codeOf({ request: open })).toBe('completed')
    expect(codeOf({ request: open }, deny)).toBe('denied')
  })

  it.each(['accepted', 'rejected'] as const)('is closed once %s', (afterReview) => {
    expect(codeOf({ request: { ...emergency, afterReview } })).toBe('request_closed')
  })
})

describe('narrowing', () => {
  it.each([
    ['nothing said', {}, ['invoices:read', 'invoices:write'], 3600],
    ['fewer scopes', { scopes: ['invoices:read'] }, ['invoices:read'], 3600],
    ['less time', { durationSeconds: 60 }, ['invoices:read', 'invoices:write'], 60],
  ] as const)('%s', (_, input, scopes, durationSeconds) => {
    expect(narrowTerms(request, input)).toEqual({ scopes, durationSeconds })
  })

  it.each([
    ['a scope that was not asked for', { scopes: ['invoices:read', 'invoices:delete'] }],
    ['no scope at all', { scopes: [] }],
    ['more time', { durationSeconds: 3601 }],
  ])('is refused with %s', (_, input) => {
    expect(narrowTerms(request, input)).toBeUndefined()
    expect(codeOf({}, { ...approve, ...input })).toBe('wider_than_asked')
  })

  it('is refused when it leaves no scope of those that an earlier reviewer left', () => {
    const narrowed = { ...request, scopes: ['invoices:read'] }
    expect(narrowTerms(narrowed, { scopes: ['invoices:write'] })).toBeUndefined()
  })

  it('never gives back what an earlier reviewer took', () => {
    const narrowed = { ...request, scopes: ['invoices:read'], durationSeconds: 60 }
    const terms = narrowTerms(narrowed, {
      scopes: ['invoices:write', 'invoices:read'],
      durationSeconds: 3600,
    })
    expect(terms).toEqual({ scopes: ['invoices:read'], durationSeconds: 60 })
  })

  it('by any reviewers in any order gives the intersection and the shortest time, never more', () => {
    const all = ['a', 'b', 'c', 'd']
    const review = fc.record(
      {
        scopes: fc.subarray(all, { minLength: 1 }),
        durationSeconds: fc.integer({ min: 1, max: 900 }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.array(review, { maxLength: 5 }), (reviews) => {
        let left = { scopes: all as readonly string[], durationSeconds: 900 }
        for (const input of reviews) {
          const asked = { requestedScopes: all, requestedDurationSeconds: 900, ...left }
          const terms = narrowTerms(asked, input)
          const common = left.scopes.filter((scope) => (input.scopes ?? all).includes(scope))
          if (common.length === 0) {
            expect(terms).toBeUndefined()
            continue
          }
          expect(terms?.scopes).toEqual(common)
          expect(terms?.durationSeconds).toBe(
            Math.min(left.durationSeconds, input.durationSeconds ?? 900),
          )
          left = terms ?? left
        }
      }),
    )
  })

  it('says whether it narrowed, so that the version rises only then', () => {
    const outcome = (input: ReviewInput) => applyReview(facts, input, now)
    expect(outcome({ ...approve, durationSeconds: 3600 })).toMatchObject({ isNarrowed: false })
    expect(outcome({ ...approve, durationSeconds: 3599 })).toMatchObject({ isNarrowed: true })
    expect(outcome({ ...approve, scopes: ['invoices:read'] })).toMatchObject({ isNarrowed: true })
  })
})

describe('who can still approve', () => {
  it('nobody without a seat, even when all are filled', () => {
    const filled = { seats: [{ count: 1 }], approvals: [{ person: 'carol', seats: [0] }] }
    expect(canStillApprove([filled], 'dana', [[]])).toBe(false)
    expect(canStillApprove([filled], 'dana', [[0]])).toBe(true)
  })

  it('whoever has an open seat on either side', () => {
    const filled = { seats: [{ count: 1 }], approvals: [{ person: 'carol', seats: [0] }] }
    const open = { seats: [{ count: 1 }], approvals: [] }
    expect(canStillApprove([filled, open], 'dana', [[0], [0]])).toBe(true)
    expect(canStillApprove([filled, open], 'dana', [[0], []])).toBe(false)
  })
})
