import { appendEntry } from '../audit/index.ts'
import { type Catalog, catalogInForce, humanOf, type SubjectFacts } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { reviewTable } from '../database/schema/access.ts'
import { HallpassError } from '../errors.ts'
import { lockActorFacts, lockSubject } from '../identity/index.ts'
import { operate, requireTrustedClock } from '../operation.ts'
import { refuseFaults } from './ask-input.ts'
import { concludeReview } from './conclude-review.ts'
import { textFault, tidyText } from './free-text.ts'
import { type LoadedRequest, loadFacts, lockRequest, readRequest } from './load-request.ts'
import { effectiveState, type Review } from './request.ts'
import { requestFacts, requestNotFound } from './request-refusals.ts'
import { type RequestView, requestView } from './request-view.ts'
import { lockResource } from './resource-lock.ts'
import { applyReview, narrowTerms, type ReviewInput } from './review.ts'
import { reviewFaults } from './review-input.ts'
import {
  hasReviewed,
  isBarred,
  maySee,
  policyNamed,
  type Situation,
  seatsThatFit,
  situationOf,
} from './situation.ts'

/** One review of one request. */
export interface ReviewRequestInput extends ReviewInput {
  readonly requestId: string
  readonly comment?: string | undefined
}

/**
 * Gives the actor's one review. A denial ends the request; the approval that fills the last seat opens the grant
 * (or prolongs the extended one) in the same transaction, after the requester's eligibility was decided again.
 * For an emergency it accepts or rejects afterwards; rejecting revokes what lives.
 *
 * Throws `not_found`, `self_review`, `not_reviewer`, `already_reviewed`, `request_closed`, `stale_version`,
 * `browser_required`, `wider_than_asked`, `seat_filled`, `not_eligible` or `outside_policy` (the request stays
 * pending), `grant_ended`.
 */
export async function reviewRequest(
  ctx: OperationContext,
  input: ReviewRequestInput,
): Promise<RequestView> {
  requireTrustedClock(ctx)
  const comment = tidyText(input.comment ?? '')
  refuseFaults([textFault('/comment', comment, 500), ...reviewFaults(input)])
  return operate(ctx, 'review-request', (tx) => review(tx, ctx, { ...input, comment }))
}

async function review(
  tx: Transaction,
  ctx: OperationContext,
  input: ReviewRequestInput,
): Promise<RequestView> {
  const found = await readRequest(tx.db, input.requestId)
  if (found === undefined) throw requestNotFound()
  // the requester's row and the resource first: what ends all of theirs waits, or was before
  const requester = await lockSubject(tx, found.subject, 'share')
  const actor = await lockActorFacts(tx, ctx)
  await lockResource(tx, found.resource, 'share')
  const request = await lockRequest(tx, input.requestId)
  if (request === undefined) throw requestNotFound()
  const catalog = await catalogInForce(tx.db)
  const now = ctx.clock.now()
  const [facts] = await loadFacts(tx.db, ctx, catalog, [request])
  if (facts === undefined) throw requestNotFound()
  const terms = narrowTerms(request, input)
  const situation = situationOf(catalog, facts, now, terms)
  const outcome = judge(catalog, situation, ctx, actor, input, now)
  if (!maySee(catalog, situation, actor)) throw requestNotFound(request)
  if (outcome.kind === 'refused') {
    throw new HallpassError(outcome.code, outcome.message, { refusal: requestFacts(request) })
  }
  const opens = outcome.kind === 'completed' && effectiveState(request, now) === 'pending'
  if (opens && requester.isDisabled) {
    throw new HallpassError('not_eligible', 'The requester is disabled.', {
      refusal: requestFacts(request),
    })
  }
  const given = await insertReview(tx, ctx, catalog, actor, input, now)
  const reviewed: LoadedRequest = { ...facts, reviews: [...facts.reviews, given] }
  const concluded = await concludeReview(tx, ctx, catalog, reviewed, situation, given, outcome, now)
  await appendEntry(tx, ctx, {
    action: 'review-request',
    outcome: 'ok',
    ...requestFacts(concluded),
    details: {
      review_id: given.id,
      verdict: given.verdict,
      outcome: outcome.kind,
      scopes: given.scopes,
      duration_seconds: given.durationSeconds,
    },
  })
  return requestView(catalog, { ...reviewed, request: concluded }, now)
}

function judge(
  catalog: Catalog,
  situation: Situation,
  ctx: OperationContext,
  actor: SubjectFacts,
  input: ReviewRequestInput,
  now: Date,
) {
  const { request, reviews, sides, decision } = situation
  const policies = [decision?.policy, policyNamed(catalog, request.policy)]
  return applyReview(
    {
      request,
      reviewer: {
        person: humanOf(catalog, actor.id),
        isPerson: actor.kind === 'person',
        isOnRequestersSide: isBarred(catalog, situation, actor),
        hasReviewed: hasReviewed(catalog, reviews, actor.id),
        via: ctx.actor.via,
      },
      sides: sides.map((side) => ({
        ...side,
        reviewerFits: seatsThatFit(catalog, side.seats, actor),
      })),
      mustUseBrowser: policies.some((policy) => policy?.approveIn === 'browser'),
    },
    input,
    now,
  )
}

async function insertReview(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  actor: SubjectFacts,
  input: ReviewRequestInput,
  now: Date,
): Promise<Review> {
  const given: Review = {
    id: ctx.ids.next('rev'),
    requestId: input.requestId,
    reviewer: actor.id,
    person: humanOf(catalog, actor.id),
    verdict: input.verdict,
    comment: input.comment === '' ? null : (input.comment ?? null),
    scopes: input.scopes ?? null,
    durationSeconds: input.durationSeconds ?? null,
    via: ctx.actor.via,
    at: now,
  }
  await tx.db
    .insert(reviewTable)
    .values({ ...given, scopes: given.scopes === null ? null : [...given.scopes] })
  return given
}
