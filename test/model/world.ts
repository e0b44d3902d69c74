import { admin, audiences, humanBehind, isOnSideOf, owns, roles, subjects } from './company.ts'
import {
  isReviewerOf,
  judgeAsk,
  mostFilled,
  type PlainSeat,
  policyOf,
  type Sitter,
  seatsFitting,
  seatTotal,
} from './reference-rules.ts'
import type { SeenGrant, SeenRequest } from './system.ts'

export interface ModelReview {
  readonly reviewer: string
  readonly verdict: 'approve' | 'deny'
  readonly scopes: readonly string[] | null
  readonly durationSeconds: number | null
  readonly at: number
}

export interface ModelRequest {
  readonly subject: string
  readonly role: string
  readonly resource: string
  readonly policy: string
  readonly requestedScopes: readonly string[]
  readonly requestedDurationSeconds: number
  readonly justification: string
  readonly ticket: string | null
  readonly startsAt: number | null
  readonly createdAt: number
  readonly answerBy: number
  readonly seats: readonly PlainSeat[]
  readonly isBreakGlass: boolean
  readonly extendsGrant: number | null
  readonly reviews: ModelReview[]
  scopes: readonly string[]
  durationSeconds: number
  /** As stored; `stateOf` says what time has made of it. */
  state: 'pending' | 'approved' | 'denied' | 'cancelled' | 'expired'
  afterReview: 'open' | 'accepted' | 'rejected' | null
  commentCount: number
  grant: number | null
  /** As it was last seen: the contract says when it rises, not by how much. */
  version: number
}

export interface ModelGrant {
  readonly request: number
  readonly subject: string
  readonly resource: string
  readonly role: string
  readonly policy: string
  readonly scopes: readonly string[]
  readonly startsAt: number
  readonly tokenSeconds: number
  readonly isBreakGlass: boolean
  endsAt: number
  /** As stored. */
  state: 'scheduled' | 'active' | 'suspended' | 'revoked' | 'released' | 'expired'
  endedAt: number | null
  endedBy: string | null
  /** `*` where the contract leaves the words open. */
  endReason: string | null
  toldEnd: number | null
}

export interface ModelToken {
  readonly grant: number
  readonly scopes: readonly string[]
  readonly expiresAt: number
  isTakenBack: boolean
}

/** Everything that there is. */
export class World {
  now: number
  readonly requests: ModelRequest[] = []
  readonly grants: ModelGrant[] = []
  readonly tokens: ModelToken[] = []
  readonly disabled = new Set<string>()
  /** Revocations of whole subjects and resources. */
  readonly revocations: { readonly target: string; readonly forgetAt: number }[] = []

  constructor(now: number) {
    this.now = now
  }

  request(index: number): ModelRequest {
    return found(this.requests[index])
  }

  grant(index: number): ModelGrant {
    return found(this.grants[index])
  }

  token(index: number): ModelToken {
    return found(this.tokens[index])
  }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the model was asked for what is not there')
  return value
}

export function stateOf(world: World, request: ModelRequest): ModelRequest['state'] {
  const isLate = request.state === 'pending' && world.now >= request.answerBy
  return isLate ? 'expired' : request.state
}

export function grantStateOf(world: World, grant: ModelGrant): ModelGrant['state'] {
  if (!isLiveState(grant.state)) return grant.state
  if (world.now >= grant.endsAt) return 'expired'
  return grant.state === 'scheduled' && world.now >= grant.startsAt ? 'active' : grant.state
}

export function isLiveState(state: string): boolean {
  return state === 'scheduled' || state === 'active' || state === 'suspended'
}

export function isGrantOver(world: World, grant: ModelGrant): boolean {
  return !isLiveState(grantStateOf(world, grant))
}

/** Whether reviewers are still asked. */
export function isOpen(world: World, request: ModelRequest): boolean {
  return request.afterReview === 'open' || stateOf(world, request) === 'pending'
}

export interface Terms {
  readonly scopes: readonly string[]
  readonly durationSeconds: number
}

/** What policy says of a pending request now, with these terms. */
export function judgeAgain(world: World, request: ModelRequest, terms: Terms) {
  const { subject, role, justification, ticket, isBreakGlass, extendsGrant } = request
  const grant = extendsGrant === null ? undefined : world.grant(extendsGrant)
  const heldSeconds = grant === undefined ? 0 : (grant.endsAt - grant.startsAt) / 1000
  return judgeAsk({
    subject,
    role,
    scopes: terms.scopes,
    durationSeconds: heldSeconds + terms.durationSeconds,
    justification,
    ticket: ticket ?? undefined,
    isBreakGlass,
  })
}

/** Sets of seats that must all be filled: those recorded at ask, and those of the current policy. */
export function sidesOf(
  world: World,
  request: ModelRequest,
  terms: Terms = request,
): readonly (readonly PlainSeat[])[] {
  if (stateOf(world, request) !== 'pending') {
    return [request.seats, policyOf(request.policy).seats]
  }
  const { outcome, policy } = judgeAgain(world, request, terms)
  const current = outcome === 'allow' ? undefined : policy?.seats
  return current === undefined ? [request.seats] : [request.seats, current]
}

/** The approvals that count at this moment: those of people who could still give them. */
export function countedSitters(
  world: World,
  request: ModelRequest,
  seats: readonly PlainSeat[],
): readonly Sitter[] {
  return request.reviews
    .filter(({ verdict }) => verdict === 'approve')
    .filter(({ reviewer }) => !world.disabled.has(reviewer))
    .map(({ reviewer }) => ({ human: humanBehind(reviewer), seats: seatsFitting(seats, reviewer) }))
}

export function hasReviewed(request: ModelRequest, account: string): boolean {
  return request.reviews.some(({ reviewer }) => humanBehind(reviewer) === humanBehind(account))
}

export function fitsAnywhere(sides: readonly (readonly PlainSeat[])[], account: string): boolean {
  return sides.some((seats) => seatsFitting(seats, account).length > 0)
}

/** How a person changes the sides: fills something, completes everything. */
export function seating(
  world: World,
  request: ModelRequest,
  sides: readonly (readonly PlainSeat[])[],
  account: string,
): { readonly fillsOne: boolean; readonly completes: boolean } {
  const before = sides.map((seats) => countedSitters(world, request, seats))
  const after = sides.map((seats, index) => [
    ...(before[index] ?? []),
    { human: humanBehind(account), seats: seatsFitting(seats, account) },
  ])
  const filled = (sitters: readonly (readonly Sitter[])[]) =>
    sides.map((seats, index) => mostFilled(seats, sitters[index] ?? []))
  const [was, is] = [filled(before), filled(after)]
  const isFull = (counts: readonly number[]) =>
    sides.every((seats, index) => counts[index] === seatTotal(seats))
  // somebody came back and every seat is filled: then whoever fits may complete it
  const fillsOne = isFull(was) || is.some((count, index) => count > (was[index] ?? 0))
  return { fillsOne: fillsOne && fitsAnywhere(sides, account), completes: isFull(is) }
}

/** Whether this account could fill an open seat now. */
export function canReview(world: World, request: ModelRequest, account: string): boolean {
  if (!isOpen(world, request) || world.disabled.has(account)) return false
  const { extendsGrant } = request
  if (extendsGrant !== null && isGrantOver(world, world.grant(extendsGrant))) return false
  if (isOnSideOf(request.subject, account) || hasReviewed(request, account)) return false
  return seating(world, request, sidesOf(world, request), account).fillsOne
}

/** CONTRACTS §2, "see a request". */
export function maySeeRequest(world: World, request: ModelRequest, account: string): boolean {
  return (
    humanBehind(account) === humanBehind(request.subject) ||
    account === admin ||
    owns(account, request.resource) ||
    fitsAnywhere([request.seats], account) ||
    isReviewerOf(request.policy, account) ||
    fitsAnywhere(sidesOf(world, request), account) ||
    hasReviewed(request, account)
  )
}

export type ExpectedRequest = Omit<SeenRequest, 'version' | 'approval'> & {
  readonly approval: readonly { readonly from: readonly string[]; readonly count: number }[]
}

/** What an admin sees of a request; who sits where, and the version, are checked by rules instead. */
export function expectedRequest(world: World, request: ModelRequest): ExpectedRequest {
  const { subject, role, policy, requestedScopes, requestedDurationSeconds, justification } =
    request
  const { ticket, startsAt, createdAt, answerBy, isBreakGlass, extendsGrant, reviews } = request
  const { resource, scopes, durationSeconds, afterReview, commentCount, grant, seats } = request
  return {
    ...{ subject, role, policy, requestedScopes, requestedDurationSeconds, justification },
    ...{ ticket, startsAt, createdAt, answerBy, isBreakGlass, extendsGrant, reviews },
    ...{ resource, scopes, durationSeconds, afterReview, commentCount, grant },
    state: stateOf(world, request),
    approval: seats.map(({ from, count }) => ({ from, count })),
    eligibleReviewers: subjects.filter((account) => canReview(world, request, account)).sort(),
  }
}

export function expectedGrant(world: World, grant: ModelGrant): SeenGrant {
  const { request, subject, resource, role, scopes, startsAt, endsAt, endedBy, endReason } = grant
  const state = grantStateOf(world, grant)
  const endedAt = state === 'expired' ? endsAt : grant.endedAt
  const audience = audiences[roles[role]?.resource ?? ''] ?? ''
  return {
    ...{ request, subject, resource, audience, role, scopes, state },
    ...{ startsAt, endsAt, endedAt, endedBy, endReason },
  }
}

/** Whether a resource must be told that a token is good. */
export function isTokenActive(world: World, token: ModelToken, resource: string): boolean {
  const grant = world.grant(token.grant)
  return (
    grant.resource === resource &&
    !token.isTakenBack &&
    world.now < token.expiresAt &&
    grantStateOf(world, grant) === 'active' &&
    !world.disabled.has(grant.subject)
  )
}
