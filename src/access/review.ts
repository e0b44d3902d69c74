import type { ErrorCode } from '../errors.ts'
import { type AccessRequest, isOpenForReview } from './request.ts'
import { assignSeats, hasOpenSeat, type SeatCandidate, type SeatCount } from './seats.ts'

/** What one reviewer sends. Scopes and duration belong to an approval and can only narrow. */
export interface ReviewInput {
  readonly verdict: 'approve' | 'deny'
  readonly scopes?: readonly string[] | undefined
  readonly durationSeconds?: number | undefined
  /** The version the reviewer looked at. */
  readonly version?: number | undefined
}

/** What a grant would get. */
export interface Terms {
  readonly scopes: readonly string[]
  readonly durationSeconds: number
}

/** The seats one policy wants, the counted approvals, and where this reviewer would fit. */
export interface SeatSide {
  readonly seats: readonly SeatCount[]
  /** Approvals of people who are eligible at this moment; the others are set aside. */
  readonly approvals: readonly SeatCandidate[]
}

/** Everything a review is judged by. */
export interface ReviewFacts {
  readonly request: AccessRequest
  readonly reviewer: {
    /** The human behind the reviewer. */
    readonly person: string
    readonly isPerson: boolean
    /** The requester, another account of the same human, or an owner of the requesting workload. */
    readonly isOnRequestersSide: boolean
    readonly hasReviewed: boolean
    readonly via: string
  }
  /** The seats recorded at ask, then those of the current policy if one matches: all must be filled. */
  readonly sides: readonly (SeatSide & { readonly reviewerFits: readonly number[] })[]
  readonly mustUseBrowser: boolean
}

/** What a review does. `completed` fills the last seat. */
export type ReviewOutcome =
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'denied' }
  | { readonly kind: 'counted' | 'completed'; readonly terms: Terms; readonly isNarrowed: boolean }

type Refusal = Extract<ReviewOutcome, { kind: 'refused' }>

/**
 * The intersection of what is left and what this review approves, and the shorter of both times; undefined
 * when the review is wider than what was asked or leaves no scope.
 */
export function narrowTerms(
  request: Pick<
    AccessRequest,
    'requestedScopes' | 'scopes' | 'requestedDurationSeconds' | 'durationSeconds'
  >,
  input: Pick<ReviewInput, 'scopes' | 'durationSeconds'>,
): Terms | undefined {
  const { scopes: approved = request.scopes } = input
  const { durationSeconds = request.durationSeconds } = input
  if (approved.some((scope) => !request.requestedScopes.includes(scope))) return undefined
  if (durationSeconds > request.requestedDurationSeconds) return undefined
  const scopes = request.scopes.filter((scope) => approved.includes(scope))
  if (scopes.length === 0) return undefined
  return { scopes, durationSeconds: Math.min(durationSeconds, request.durationSeconds) }
}

/** Whether a person who fits these seats (one list per side) could still fill one, or complete the request. */
export function canStillApprove(
  sides: readonly SeatSide[],
  person: string,
  fits: readonly (readonly number[])[],
): boolean {
  if (!fits.some((seats) => seats.length > 0)) return false
  const hasOpen = sides.some(({ seats, approvals }, index) =>
    hasOpenSeat(seats, approvals, { person, seats: fits[index] ?? [] }),
  )
  // a catalog change can leave every seat filled with nobody there to complete it: then any reviewer may
  return hasOpen || sides.every(({ seats, approvals }) => assignSeats(seats, approvals).isComplete)
}

/**
 * Judges one review (CONTRACTS §3). The caller holds the request's row, and decides the requester's
 * eligibility again before it acts on `completed`.
 */
export function applyReview(facts: ReviewFacts, input: ReviewInput, now: Date): ReviewOutcome {
  const refusal = refuseReviewer(facts) ?? refuseMoment(facts, input, now)
  if (refusal !== undefined) return refusal
  return input.verdict === 'deny' ? { kind: 'denied' } : applyApproval(facts, input)
}

function refuseReviewer({ reviewer, sides }: ReviewFacts): Refusal | undefined {
  if (reviewer.isOnRequestersSide) {
    return refused(
      'self_review',
      'Nobody reviews their own request, nor that of another account or workload of theirs. Ask another reviewer.',
    )
  }
  if (!reviewer.isPerson || sides.every(({ reviewerFits }) => reviewerFits.length === 0)) {
    return refused('not_reviewer', 'Policy does not name you as a reviewer of this request.')
  }
  return undefined
}

function refuseMoment(
  { request, reviewer }: ReviewFacts,
  input: ReviewInput,
  now: Date,
): Refusal | undefined {
  if (reviewer.hasReviewed) {
    return refused('already_reviewed', 'You reviewed this request; one review a person is counted.')
  }
  if (!isOpenForReview(request, now)) {
    return refused('request_closed', 'This request is closed: it was decided, or nobody answered.')
  }
  if (input.version !== undefined && input.version !== request.version) {
    return refused(
      'stale_version',
      `The request changed since you looked (it is at version ${request.version}). Look at it again, then decide.`,
    )
  }
  return undefined
}

function applyApproval(facts: ReviewFacts, input: ReviewInput): ReviewOutcome {
  const { request, reviewer, sides } = facts
  if (facts.mustUseBrowser && reviewer.via !== 'browser') {
    return refused('browser_required', 'Policy wants this approval in the browser. Open it there.')
  }
  const terms = narrowTerms(request, input)
  if (terms === undefined) {
    return refused(
      'wider_than_asked',
      'An approval can only narrow: at least one of the scopes that are left, and at most the time that was asked for.',
    )
  }
  const { person } = reviewer
  const fits = sides.map(({ reviewerFits }) => reviewerFits)
  if (!canStillApprove(sides, person, fits)) {
    return refused('seat_filled', 'Every seat that you could fill is taken. Others must approve.')
  }
  const isComplete = sides.every(
    ({ seats, approvals, reviewerFits }) =>
      assignSeats(seats, [...approvals, { person, seats: reviewerFits }]).isComplete,
  )
  const isNarrowed =
    terms.scopes.length < request.scopes.length || terms.durationSeconds < request.durationSeconds
  return { kind: isComplete ? 'completed' : 'counted', terms, isNarrowed }
}

function refused(code: ErrorCode, message: string): Refusal {
  return { kind: 'refused', code, message }
}
