import type { Catalog } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { type EventFacts, emitEvents } from '../notify/index.ts'
import { deniedBy } from './ask-refusals.ts'
import { changeRequest } from './change-request.ts'
import { isGranting } from './draft-request.ts'
import { endLockedGrant } from './end-locked-grant.ts'
import { effectiveState as effectiveGrantState, isFinal } from './grant.ts'
import { grantApproved } from './grant-approved.ts'
import type { LoadedRequest } from './load-request.ts'
import { lockGrant } from './lock-grant.ts'
import { type AccessRequest, moveRequest, type Review } from './request.ts'
import { audienceOf, orderKeyOf, type RequestEventType, requestEvent } from './request-events.ts'
import { requestFacts } from './request-refusals.ts'
import { seatedNow } from './request-view.ts'
import type { ReviewOutcome } from './review.ts'
import { type Situation, situationOf } from './situation.ts'

type Accepted = Exclude<ReviewOutcome, { kind: 'refused' }>

interface Concluded {
  readonly request: AccessRequest
  /** What became of the grant. */
  readonly event?: EventFacts
}

/**
 * Does what an accepted review does, and tells it. The caller holds the requester's row, the resource's lock and
 * the request's row, and stored the review. Returns the request as it is afterwards.
 */
export async function concludeReview(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  reviewed: LoadedRequest,
  situation: Situation,
  given: Review,
  outcome: Accepted,
  now: Date,
): Promise<AccessRequest> {
  const { request } = reviewed
  const seats = seatedNow(catalog, situationOf(catalog, reviewed, now))
  const { request: concluded, event: grantEvent } =
    request.afterReview === 'open'
      ? { request: await concludeEmergency(tx, request, seats, outcome) }
      : outcome.kind === 'denied'
        ? { request: await deny(tx, request, now) }
        : await countApproval(tx, ctx, catalog, situation, seats, outcome, now)
  const orderKey = orderKeyOf(reviewed)
  const events: EventFacts[] = []
  const tell = (type: RequestEventType, more: object = {}) => {
    const { id: review_id, reviewer, verdict } = given
    const data = { review_id, reviewer, verdict, ...more }
    events.push(requestEvent(ctx, type, concluded, orderKey, data))
  }
  const audience = audienceOf(catalog, { ...reviewed, request: concluded }, now)
  tell('request.reviewed', { ...audience, is_narrowed: isNarrowed(outcome) })
  if (request.afterReview === 'open') {
    if (concluded.afterReview !== 'open') tell('break_glass.reviewed')
  } else if (concluded.state === 'denied') tell('request.denied')
  else if (concluded.state === 'approved') {
    tell('request.approved', { approved_by: seats.flatMap(({ approvedBy }) => approvedBy) })
    if (grantEvent !== undefined) events.push(grantEvent)
  }
  await emitEvents(tx, ctx, events)
  // ended last, so that nobody hears of the end before its reason
  const isRejected = request.afterReview === 'open' && concluded.afterReview === 'rejected'
  if (isRejected) await endIfLive(tx, ctx, request.grantId, now)
  return concluded
}

async function countApproval(
  tx: Transaction,
  ctx: OperationContext,
  catalog: Catalog,
  { request, decision }: Situation,
  seats: AccessRequest['seats'],
  outcome: Exclude<Accepted, { kind: 'denied' }>,
  now: Date,
): Promise<Concluded> {
  refuseFewerScopes(request, outcome)
  if (outcome.kind === 'counted') {
    return { request: await changeRequest(tx, request, { ...outcome.terms, seats }) }
  }
  if (decision === undefined || !isGranting(decision)) {
    throw decision === undefined
      ? new Error('a pending request was not decided again')
      : deniedBy(decision, requestFacts(request))
  }
  if (decision.role.resource !== request.resource) {
    throw new HallpassError(
      'not_eligible',
      'The role now belongs to another resource. Ask again.',
      {
        refusal: requestFacts(request),
      },
    )
  }
  const state = moved(request, 'complete', now)
  const changes = { ...outcome.terms, seats, state, decidedAt: now }
  return grantApproved(tx, ctx, catalog, decision.policy, request, changes, now)
}

async function deny(tx: Transaction, request: AccessRequest, now: Date): Promise<AccessRequest> {
  return changeRequest(tx, request, { state: moved(request, 'deny', now), decidedAt: now })
}

/** An emergency was approved at once: its reviewers accept it, or reject it. */
async function concludeEmergency(
  tx: Transaction,
  request: AccessRequest,
  seats: AccessRequest['seats'],
  outcome: Accepted,
): Promise<AccessRequest> {
  if (outcome.kind !== 'denied') {
    if (outcome.isNarrowed) {
      throw new HallpassError(
        'invalid_input',
        'An emergency is accepted or rejected as a whole: leave out scopes and duration.',
        { errors: [{ pointer: '/scopes', message: 'does not go with an emergency' }] },
      )
    }
    const afterReview = outcome.kind === 'completed' ? 'accepted' : 'open'
    return changeRequest(tx, request, { seats, afterReview })
  }
  return changeRequest(tx, request, { afterReview: 'rejected' })
}

/** Revokes the grant of a rejected emergency, unless it is over already. */
async function endIfLive(
  tx: Transaction,
  ctx: OperationContext,
  grantId: string | null,
  now: Date,
): Promise<void> {
  if (grantId === null) return
  const grant = await lockGrant(tx, grantId)
  if (isFinal(effectiveGrantState(grant, now))) return
  const reason = 'rejected by the review of the emergency'
  await endLockedGrant(tx, ctx, grant, { event: 'revoke', action: 'review-request', reason }, now)
}

function refuseFewerScopes(
  request: AccessRequest,
  { terms }: Exclude<Accepted, { kind: 'denied' }>,
): void {
  if (request.extendsGrantId === null || terms.scopes.length === request.scopes.length) return
  throw new HallpassError(
    'invalid_input',
    'An extension keeps the scopes of its grant. Approve less time, or deny it.',
    { errors: [{ pointer: '/scopes', message: 'does not go with an extension' }] },
  )
}

function moved(request: AccessRequest, event: 'complete' | 'deny', now: Date) {
  const state = moveRequest(request, event, now)
  if (state === undefined) throw new Error(`a review of a closed request was not refused`)
  return state
}

function isNarrowed(outcome: Accepted): boolean {
  return outcome.kind !== 'denied' && outcome.isNarrowed
}
