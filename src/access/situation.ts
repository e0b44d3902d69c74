import {
  type Catalog,
  type Decision,
  decide,
  humanOf,
  isAdmin,
  isMember,
  isOnRequestersSide,
  isOwner,
  type Policy,
  type Seat,
  type SubjectFacts,
} from '../catalog/index.ts'
import type { KnownSubject } from '../identity/index.ts'
import { type Grant, moveGrant } from './grant.ts'
import { type AccessRequest, effectiveState, isOpenForReview, type Review } from './request.ts'
import { canStillApprove, type SeatSide, type Terms } from './review.ts'
import { seatsOf } from './seat-notation.ts'
import { assignSeats, type SeatCandidate } from './seats.ts'

/** What is known of a request and, while reviewers are asked, of everyone who could review it. */
export interface RequestFacts {
  readonly request: AccessRequest
  readonly reviews: readonly Review[]
  readonly subject: SubjectFacts
  /** Members of the seats and of the requesting workload's owner group, and everyone who reviewed. */
  readonly people: ReadonlyMap<string, KnownSubject>
  /** The grant that an extension would prolong. */
  readonly extended: Pick<Grant, 'requestId' | 'state' | 'startsAt' | 'endsAt'> | undefined
}

/** Where a request stands under the catalog in force. */
export interface Situation extends RequestFacts {
  /** What policy says now; undefined when nobody is asked any more, or only afterwards. */
  readonly decision: Decision | undefined
  /** The seats recorded at ask, then those of the current policy if one matches. */
  readonly sides: readonly (SeatSide & { readonly seats: readonly Seat[] })[]
  /** The humans who may not review: the requester's, and the owners of a requesting workload. */
  readonly barred: ReadonlySet<string>
}

/** Looks at a request under the current catalog; `terms` is what it would be granted with. */
export function situationOf(
  catalog: Catalog,
  facts: RequestFacts,
  now: Date,
  terms: Terms = facts.request,
): Situation {
  const { request } = facts
  const barred = barredHumans(catalog, facts)
  const isPending = effectiveState(request, now) === 'pending'
  const decision = isPending ? decideAgain(catalog, facts, terms, now) : undefined
  const policy = isPending ? decision?.policy : policyNamed(catalog, request.policy)
  const current = decision?.outcome === 'allow' ? undefined : policy?.approval
  const sides = [seatsOf(request.seats), ...(current === undefined ? [] : [current])].map(
    (seats) => ({ seats, approvals: countedApprovals(catalog, facts, barred, seats) }),
  )
  return { ...facts, decision, sides, barred }
}

/** The indexes of the seats that an account itself fits; another account of the same human lends it none. */
export function seatsThatFit(
  catalog: Catalog,
  seats: readonly Seat[],
  account: SubjectFacts,
): readonly number[] {
  if (account.kind !== 'person') return []
  return seats.flatMap((seat, index) => (isMember(catalog, seat.from, account) ? [index] : []))
}

/** Whether this account, whatever seats say, is on the requester's side. */
export function isBarred(catalog: Catalog, situation: Situation, account: SubjectFacts): boolean {
  return (
    situation.barred.has(humanOf(catalog, account.id)) ||
    isOnRequestersSide(catalog, situation.request.subject, account)
  )
}

/** Whether the human behind an account has reviewed, under any account. */
export function hasReviewed(catalog: Catalog, reviews: readonly Review[], id: string): boolean {
  const human = humanOf(catalog, id)
  return reviews.some(
    (review) => review.person === human || humanOf(catalog, review.reviewer) === human,
  )
}

/** The accounts of people who can fill an open seat at this moment, sorted. */
export function eligibleReviewers(
  catalog: Catalog,
  situation: Situation,
  now: Date,
): readonly string[] {
  if (!canBeApproved(situation, now)) return []
  // whether a seat is open depends on what a person fits alone
  const known = new Map<string, boolean>()
  return [...situation.people.values()]
    .filter((account) => canFillSeat(catalog, situation, account, known))
    .map(({ id }) => id)
    .sort()
}

/** Whether approvals still lead anywhere: reviewers are asked, and what would be extended is not over. */
export function canBeApproved({ request, extended }: RequestFacts, now: Date): boolean {
  if (!isOpenForReview(request, now)) return false
  return extended === undefined || moveGrant(extended, 'extend', now).isAllowed
}

/** Whether this account can fill an open seat of a request that can be approved. */
export function canFillSeat(
  catalog: Catalog,
  situation: Situation,
  account: SubjectFacts & { readonly isDisabled?: boolean },
  known: Map<string, boolean> = new Map(),
): boolean {
  const { reviews, sides } = situation
  if (account.isDisabled === true || isBarred(catalog, situation, account)) return false
  if (hasReviewed(catalog, reviews, account.id)) return false
  const fits = sides.map(({ seats }) => seatsThatFit(catalog, seats, account))
  const key = JSON.stringify(fits)
  const canFill = known.get(key) ?? canStillApprove(sides, account.id, fits)
  known.set(key, canFill)
  return canFill
}

/** Whether distinct people could fill every seat: decided once, at ask. */
export function canBeFilled(catalog: Catalog, { people, barred, sides }: Situation): boolean {
  const accounts = [...people.values()].filter(
    (account) => !account.isDisabled && !barred.has(humanOf(catalog, account.id)),
  )
  return sides.every(({ seats }) => {
    const candidates = accounts.map((account) => ({
      person: humanOf(catalog, account.id),
      seats: seatsThatFit(catalog, seats, account),
    }))
    return assignSeats(seats, candidates).isComplete
  })
}

/**
 * CONTRACTS §2: the subject (under any account), whoever has a seat or reviewed, the resource's owners and
 * admins. Seeing is not reviewing: someone on the requester's side who sits in a seat's group may look.
 */
export function maySee(catalog: Catalog, situation: Situation, actor: SubjectFacts): boolean {
  const { request, reviews, sides } = situation
  return (
    humanOf(catalog, actor.id) === humanOf(catalog, request.subject) ||
    isAdmin(catalog, actor) ||
    isOwner(catalog, request.resource, actor) ||
    sides.some(({ seats }) => seatsThatFit(catalog, seats, actor).length > 0) ||
    hasReviewed(catalog, reviews, actor.id)
  )
}

/** The policy of this name in the catalog in force. */
export function policyNamed(catalog: Catalog, name: string): Policy | undefined {
  return catalog.policies.find((policy) => policy.name === name)
}

function decideAgain(
  catalog: Catalog,
  { request, subject, extended }: RequestFacts,
  terms: Terms,
  now: Date,
): Decision {
  const heldSeconds =
    extended === undefined ? 0 : (extended.endsAt.getTime() - extended.startsAt.getTime()) / 1000
  const startsAt = extended?.startsAt ?? request.startsAt
  return decide(
    catalog,
    subject,
    {
      role: request.role,
      scopes: terms.scopes,
      durationSeconds: heldSeconds + terms.durationSeconds,
      justification: request.justification,
      ticket: request.ticket ?? undefined,
      startsAt: startsAt ?? undefined,
      isBreakGlass: request.isBreakGlass,
      isExtension: request.extendsGrantId !== null,
    },
    now,
  )
}

function barredHumans(catalog: Catalog, { request, people }: RequestFacts): ReadonlySet<string> {
  const humans = new Set([humanOf(catalog, request.subject)])
  for (const account of people.values()) {
    if (isOnRequestersSide(catalog, request.subject, account)) {
      humans.add(humanOf(catalog, account.id))
    }
  }
  return humans
}

/** Approvals by people who are still eligible; the others are set aside. */
function countedApprovals(
  catalog: Catalog,
  { reviews, people }: RequestFacts,
  barred: ReadonlySet<string>,
  seats: readonly Seat[],
): readonly SeatCandidate[] {
  return reviews
    .filter(({ verdict }) => verdict === 'approve')
    .flatMap(({ reviewer }) => {
      const account = people.get(reviewer)
      const person = humanOf(catalog, reviewer)
      if (account === undefined || account.isDisabled || barred.has(person)) return []
      return [{ person, seats: seatsThatFit(catalog, seats, account) }]
    })
}
