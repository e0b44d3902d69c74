/** `pending` waits for its seats; the others are final. */
export type RequestState = 'pending' | 'approved' | 'denied' | 'cancelled' | 'expired'

/** What can happen to a request. `lapse` is time's, the others are somebody's. */
export type RequestEvent = 'complete' | 'deny' | 'cancel' | 'lapse'

/** What reviewers said afterwards about an emergency. */
export type AfterReview = 'open' | 'accepted' | 'rejected'

/** A seat as it was recorded at ask: `from` in the catalog's own notation. */
export interface RecordedSeat {
  readonly from: readonly string[]
  readonly count: number
  /** Who filled it when a review was last counted. */
  readonly approvedBy: readonly string[]
}

/** A subject's ask for a role, or for more time of a grant (`extendsGrantId`). */
export interface AccessRequest {
  readonly id: string
  /** As stored; time may have moved on. Ask `effectiveState`. */
  readonly state: RequestState
  readonly subject: string
  readonly resource: string
  readonly role: string
  readonly requestedScopes: readonly string[]
  /** What is left after reviewers narrowed it. */
  readonly scopes: readonly string[]
  readonly requestedDurationSeconds: number
  readonly durationSeconds: number
  readonly justification: string
  readonly ticket: string | null
  readonly startsAt: Date | null
  readonly policy: string
  readonly catalogVersion: number
  readonly seats: readonly RecordedSeat[]
  readonly isBreakGlass: boolean
  readonly afterReview: AfterReview | null
  readonly reviewBy: Date | null
  readonly extendsGrantId: string | null
  readonly grantId: string | null
  readonly version: number
  readonly createdAt: Date
  readonly createdVia: string
  readonly answerBy: Date
  readonly decidedAt: Date | null
}

/** One reviewer's verdict, as it was given. */
export interface Review {
  readonly id: string
  readonly requestId: string
  readonly reviewer: string
  /** The human behind the reviewer, when it was given. */
  readonly person: string
  readonly verdict: 'approve' | 'deny'
  readonly comment: string | null
  readonly scopes: readonly string[] | null
  readonly durationSeconds: number | null
  readonly via: string
  readonly at: Date
}

const nowhere: Record<RequestEvent, undefined> = {
  complete: undefined,
  deny: undefined,
  cancel: undefined,
  lapse: undefined,
}

/** The whole machine of CONTRACTS §3: every state, every event. */
const moves: Record<RequestState, Record<RequestEvent, RequestState | undefined>> = {
  pending: { complete: 'approved', deny: 'denied', cancel: 'cancelled', lapse: 'expired' },
  approved: nowhere,
  denied: nowhere,
  cancelled: nowhere,
  expired: nowhere,
}

type RequestTimes = Pick<AccessRequest, 'state' | 'answerBy'>

/** The state at `now`, whatever jobs have run: nobody answers after `answerBy`. */
export function effectiveState(request: RequestTimes, now: Date): RequestState {
  if (request.state !== 'pending') return request.state
  return now.getTime() >= request.answerBy.getTime() ? 'expired' : 'pending'
}

/**
 * Where an event leads, or undefined when it is not possible. People's events are judged on the state that
 * time has made of the request; `lapse` on the stored one, and only once it is due.
 */
export function moveRequest(
  request: RequestTimes,
  event: RequestEvent,
  now: Date,
): RequestState | undefined {
  const state = effectiveState(request, now)
  if (event !== 'lapse') return moves[state][event]
  return state === 'expired' ? moves[request.state].lapse : undefined
}

/** Whether reviewers are still asked: while it is pending, or afterwards for an emergency. */
export function isOpenForReview(
  request: Pick<AccessRequest, 'state' | 'answerBy' | 'afterReview'>,
  now: Date,
): boolean {
  return request.afterReview === 'open' || effectiveState(request, now) === 'pending'
}

/** How a request begins. */
export interface Opening {
  readonly state: 'pending' | 'approved'
  readonly afterReview: 'open' | 'accepted' | null
  readonly reviewBy: Date | null
  readonly answerBy: Date
  readonly decidedAt: Date | null
}

/**
 * The first state of a request that policy did not deny. An emergency is approved at once and reviewed
 * afterwards; where its policy wants nobody afterwards, it counts as accepted.
 */
export function openRequest(
  outcome: 'allow' | 'review',
  policy: {
    readonly answerWithinSeconds: number
    readonly approval: readonly unknown[]
    readonly breakGlass: { readonly reviewWithinSeconds: number } | undefined
  },
  now: Date,
): Opening {
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000)
  const answerBy = after(policy.answerWithinSeconds)
  if (policy.breakGlass !== undefined) {
    return {
      state: 'approved',
      afterReview: policy.approval.length === 0 ? 'accepted' : 'open',
      reviewBy: after(policy.breakGlass.reviewWithinSeconds),
      answerBy,
      decidedAt: now,
    }
  }
  const isApproved = outcome === 'allow'
  return {
    state: isApproved ? 'approved' : 'pending',
    afterReview: null,
    reviewBy: null,
    answerBy,
    decidedAt: isApproved ? now : null,
  }
}
