import { type Catalog, humanOf } from '../catalog/index.ts'
import {
  type AfterReview,
  effectiveState,
  isOpenForReview,
  type RecordedSeat,
  type RequestState,
} from './request.ts'
import { assignSeats } from './seats.ts'
import { eligibleReviewers, type RequestFacts, type Situation, situationOf } from './situation.ts'

/** What somebody said about a request, beside reviews. */
export interface RequestComment {
  readonly id: string
  readonly requestId: string
  readonly author: string
  readonly text: string
  readonly via: string
  readonly at: Date
}

/** A request as CONTRACTS §4 shows it. */
export interface RequestView {
  readonly id: string
  /** As time has made it, whatever jobs have run. */
  readonly state: RequestState
  readonly subject: string
  readonly resource: string
  readonly role: string
  readonly scopes: readonly string[]
  readonly requestedScopes: readonly string[]
  readonly durationSeconds: number
  readonly requestedDurationSeconds: number
  readonly justification: string
  readonly ticket: string | null
  readonly policy: string
  readonly catalogVersion: number
  readonly approval: readonly RecordedSeat[]
  /** Who can fill an open seat at this moment. */
  readonly eligibleReviewers: readonly string[]
  readonly reviews: readonly {
    readonly id: string
    readonly reviewer: string
    readonly verdict: 'approve' | 'deny'
    readonly comment: string | null
    readonly scopes: readonly string[] | null
    readonly durationSeconds: number | null
    readonly at: Date
    readonly via: string
  }[]
  readonly comments: readonly Omit<RequestComment, 'requestId'>[]
  readonly grantId: string | null
  readonly extendsGrantId: string | null
  readonly isBreakGlass: boolean
  readonly afterReview: AfterReview | null
  readonly version: number
  readonly createdAt: Date
  readonly answerBy: Date
  readonly startsAt: Date | null
}

/** Renders a request under the catalog in force. */
export function requestView(
  catalog: Catalog,
  facts: RequestFacts & { readonly comments: readonly RequestComment[] },
  now: Date,
): RequestView {
  const { request } = facts
  const situation = situationOf(catalog, facts, now)
  return {
    id: request.id,
    state: effectiveState(request, now),
    subject: request.subject,
    resource: request.resource,
    role: request.role,
    scopes: request.scopes,
    requestedScopes: request.requestedScopes,
    durationSeconds: request.durationSeconds,
    requestedDurationSeconds: request.requestedDurationSeconds,
    justification: request.justification,
    ticket: request.ticket,
    policy: request.policy,
    catalogVersion: request.catalogVersion,
    approval: isOpenForReview(request, now) ? seatedNow(catalog, situation) : request.seats,
    eligibleReviewers: eligibleReviewers(catalog, situation, now),
    reviews: facts.reviews.map(({ requestId: _, person: __, ...shown }) => shown),
    comments: facts.comments.map(({ requestId: _, ...shown }) => shown),
    grantId: request.grantId,
    extendsGrantId: request.extendsGrantId,
    isBreakGlass: request.isBreakGlass,
    afterReview: request.afterReview,
    version: request.version,
    createdAt: request.createdAt,
    answerBy: request.answerBy,
    startsAt: request.startsAt,
  }
}

/** The recorded seats with the accounts that fill them at this moment; who is set aside fills none. */
export function seatedNow(
  catalog: Catalog,
  { request, reviews, sides }: Pick<Situation, 'request' | 'reviews' | 'sides'>,
): readonly RecordedSeat[] {
  const accounts = new Map(
    reviews.map(({ reviewer }): [string, string] => [humanOf(catalog, reviewer), reviewer]),
  )
  const { filledBy } = assignSeats(request.seats, sides[0]?.approvals ?? [])
  return request.seats.map((seat, index) => ({
    ...seat,
    approvedBy: (filledBy[index] ?? []).map((human) => accounts.get(human) ?? human),
  }))
}
