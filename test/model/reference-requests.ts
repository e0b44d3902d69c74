import type { ActionOf, AskAction } from './actions.ts'
import { admin, humanBehind, isOnSideOf, subjects, workload } from './company.ts'
import { type Effect, nothing } from './effect.ts'
import { extensionReason } from './reasons.ts'
import {
  canAllBeFilled,
  grantRights,
  judgeAsk,
  policyOf,
  seatsFitting,
  type Verdict,
} from './reference-rules.ts'
import type { SeenEvent, SeenPreview } from './system.ts'
import {
  canReview,
  fitsAnywhere,
  hasReviewed,
  isGrantOver,
  isOpen,
  judgeAgain,
  type ModelRequest,
  maySeeRequest,
  seating,
  sidesOf,
  stateOf,
  type Terms,
  type World,
} from './world.ts'

const farthestStart = 30 * 24 * 3600

/** Asking, and previewing, which refuses only what is not well-formed. */
export function judgeAsking(world: World, ask: ActionOf<'ask' | 'preview'>): readonly string[] {
  const codes: string[] = []
  const { startsInSeconds: start } = ask
  if (ask.isBreakGlass && start !== undefined) codes.push('invalid_input')
  if (ask.kind === 'preview') return codes
  if (start !== undefined && (start < 0 || start > farthestStart)) codes.push('invalid_input')
  const verdict = verdictOn(ask)
  if (verdict.outcome === 'not_eligible' || verdict.outcome === 'outside_policy') {
    codes.push(verdict.outcome)
  }
  if (ask.isBreakGlass) {
    if (openEmergency(world, ask.who) !== undefined) codes.push('break_glass_unreviewed')
  } else {
    const pending = pendingAsk(world, ask)
    if (pending !== undefined) {
      return isSame(world, pending, ask, verdict) ? codes : [...codes, 'already_pending']
    }
  }
  if (lacksReviewers(world, ask.who, verdict)) codes.push('no_reviewer')
  return codes
}

function verdictOn(ask: AskAction): Verdict {
  return judgeAsk({ ...ask, subject: ask.who, scopes: ask.scopes, ticket: ask.ticket })
}

/** The emergency of the same human that nobody has reviewed. */
function openEmergency(world: World, account: string): ModelRequest | undefined {
  return world.requests.find(
    ({ afterReview, subject }) =>
      afterReview === 'open' && humanBehind(subject) === humanBehind(account),
  )
}

function pendingAsk(world: World, ask: AskAction): ModelRequest | undefined {
  return world.requests.find(
    (request) =>
      request.subject === ask.who &&
      request.role === ask.role &&
      request.extendsGrant === null &&
      stateOf(world, request) === 'pending',
  )
}

function isSame(world: World, pending: ModelRequest, ask: AskAction, verdict: Verdict): boolean {
  return (
    pending.requestedDurationSeconds === ask.durationSeconds &&
    pending.startsAt === startOf(world, ask) &&
    pending.requestedScopes.join() === verdict.scopes.join()
  )
}

function startOf(world: World, { startsInSeconds }: AskAction): number | null {
  return startsInSeconds === undefined ? null : world.now + startsInSeconds * 1000
}

function lacksReviewers(world: World, requester: string, { outcome, policy }: Verdict): boolean {
  if (policy === undefined) return false
  const isAsked = outcome === 'review' || (outcome === 'allow' && policy.isBreakGlass)
  return isAsked && !canAllBeFilled(policy.seats, requester, world.disabled)
}

export function ask(world: World, action: ActionOf<'ask'>): Effect {
  const verdict = verdictOn(action)
  const first = action.isBreakGlass ? undefined : pendingAsk(world, action)
  if (first !== undefined) {
    return { ...nothing, answer: { isNew: false, request: world.requests.indexOf(first) } }
  }
  const { policy } = verdict
  if (policy === undefined) throw new Error('an ask without policy is refused')
  const lapsed = action.isBreakGlass ? nothing : lapseWaiting(world, action)
  const made = open(world, verdict, {
    subject: action.who,
    role: action.role,
    requestedDurationSeconds: action.durationSeconds,
    justification: action.justification,
    ticket: action.ticket ?? null,
    startsAt: startOf(world, action),
    extendsGrant: null,
  })
  return {
    answer: { isNew: true, request: made.request },
    events: [...lapsed.events, ...made.events],
    changes: [...lapsed.changes, { request: made.request }],
    risen: [],
    mayRise: lapsed.mayRise,
  }
}

/** Stores that what stands in the way of a new ask has run out. */
function lapseWaiting(world: World, { who, role }: AskAction): Effect {
  const late = world.requests.find(
    (request) =>
      request.subject === who &&
      request.role === role &&
      request.extendsGrant === null &&
      request.state === 'pending',
  )
  return late === undefined ? nothing : lapse(world, late)
}

export function lapse(world: World, request: ModelRequest): Effect {
  const index = world.requests.indexOf(request)
  request.state = 'expired'
  return {
    ...nothing,
    events: [{ type: 'request.expired', key: keyOf(world, request) }],
    changes: [{ request: index }],
    mayRise: [index],
  }
}

/** Everything about a grant, and about more time for it, is told under the request that opened it. */
export function keyOf(world: World, request: ModelRequest): string {
  const { extendsGrant } = request
  const opener =
    extendsGrant === null ? world.requests.indexOf(request) : world.grant(extendsGrant).request
  return `request ${opener}`
}

function open(
  world: World,
  { outcome, policy, scopes }: Verdict,
  given: Pick<
    ModelRequest,
    | 'subject'
    | 'role'
    | 'requestedDurationSeconds'
    | 'justification'
    | 'ticket'
    | 'startsAt'
    | 'extendsGrant'
  >,
): { readonly request: number; readonly events: readonly SeenEvent[] } {
  if (policy === undefined) throw new Error('nothing opens without a policy')
  const isApproved = outcome === 'allow'
  const isReviewed = !isApproved || policy.isBreakGlass
  const request: ModelRequest = {
    ...given,
    resource: resourceOf(world, given),
    policy: policy.name,
    requestedScopes: scopes,
    scopes,
    durationSeconds: given.requestedDurationSeconds,
    createdAt: world.now,
    answerBy: world.now + policy.answerWithinSeconds * 1000,
    seats: isReviewed ? policy.seats : [],
    isBreakGlass: policy.isBreakGlass,
    reviews: [],
    state: isApproved ? 'approved' : 'pending',
    afterReview: policy.isBreakGlass ? 'open' : null,
    commentCount: 0,
    grant: null,
    version: 1,
  }
  world.requests.push(request)
  const key = keyOf(world, request)
  const events = [{ type: 'request.submitted', key }]
  if (isApproved) {
    events.push({ type: 'request.approved', key }, { type: fulfil(world, request), key })
  }
  return { request: world.requests.indexOf(request), events }
}

function resourceOf(
  world: World,
  { role, extendsGrant }: Pick<ModelRequest, 'role' | 'extendsGrant'>,
) {
  if (extendsGrant !== null) return world.grant(extendsGrant).resource
  return /^(auditor|vault|solo)$/.test(role) ? 'ledger-api' : 'billing-api'
}

/** Opens the grant of an approved request, or adds its time to the one it extends. */
function fulfil(world: World, request: ModelRequest): 'grant.opened' | 'grant.extended' {
  if (request.extendsGrant !== null) {
    world.grant(request.extendsGrant).endsAt += request.durationSeconds * 1000
    request.grant = request.extendsGrant
    return 'grant.extended'
  }
  const { policy } = judgeAgain(world, request, request)
  if (policy === undefined) throw new Error('nothing opens without a policy')
  // never before the approval
  const startsAt = Math.max(world.now, request.startsAt ?? 0)
  world.grants.push({
    request: world.requests.indexOf(request),
    subject: request.subject,
    resource: request.resource,
    role: request.role,
    policy: policy.name,
    scopes: request.scopes,
    startsAt,
    endsAt: startsAt + request.durationSeconds * 1000,
    tokenSeconds: policy.tokenSeconds,
    isBreakGlass: request.isBreakGlass,
    state: startsAt > world.now ? 'scheduled' : 'active',
    endedAt: null,
    endedBy: null,
    endReason: null,
    toldEnd: null,
  })
  request.grant = world.grants.length - 1
  return 'grant.opened'
}

export function preview(world: World, action: ActionOf<'preview'>): Effect {
  const { outcome, policy } = verdictOn(action)
  const start = action.startsInSeconds ?? 0
  const seen: SeenPreview = {
    decision: 'deny',
    policy: policy?.name ?? null,
    approval: [],
    eligibleReviewers: [],
    maxDurationSeconds: policy?.maxSeconds ?? null,
  }
  const isDenied =
    policy === undefined ||
    outcome === 'not_eligible' ||
    outcome === 'outside_policy' ||
    start < 0 ||
    start > farthestStart ||
    (action.isBreakGlass && openEmergency(world, action.who) !== undefined) ||
    lacksReviewers(world, action.who, { outcome, policy, scopes: [] })
  if (isDenied) return { ...nothing, answer: { preview: seen } }
  const seats = outcome === 'review' || policy.isBreakGlass ? policy.seats : []
  const eligibleReviewers = subjects
    .filter((account) => !world.disabled.has(account) && !isOnSideOf(action.who, account))
    .filter((account) => seatsFitting(seats, account).length > 0)
    .sort()
  const approval = seats.map(({ from, count }) => ({ from, count }))
  return {
    ...nothing,
    answer: { preview: { ...seen, decision: outcome, approval, eligibleReviewers } },
  }
}

export function judgeReview(world: World, action: ActionOf<'review'>): readonly string[] {
  const request = world.request(action.request)
  const { who } = action
  if (!maySeeRequest(world, request, who)) return ['not_found']
  if (isOnSideOf(request.subject, who)) return ['self_review']
  const terms = termsAfter(request, action)
  const sides = sidesOf(world, request, terms)
  if (who === workload || !fitsAnywhere(sides, who)) return ['not_reviewer']
  const codes: string[] = []
  if (hasReviewed(request, who)) codes.push('already_reviewed')
  if (!isOpen(world, request)) codes.push('request_closed')
  if (action.version !== undefined && action.version !== request.version)
    codes.push('stale_version')
  if (action.verdict === 'deny') return codes
  if (policyOf(request.policy).isBrowserNeeded) codes.push('browser_required')
  if (terms === undefined) return [...codes, 'wider_than_asked']
  const { fillsOne, completes } = seating(world, request, sides, who)
  if (!fillsOne) codes.push('seat_filled')
  const isNarrower =
    terms.scopes.length < request.scopes.length || terms.durationSeconds < request.durationSeconds
  // an emergency is accepted or rejected whole; an extension keeps its grant's scopes
  if (request.isBreakGlass && isNarrower) codes.push('invalid_input')
  if (request.extendsGrant !== null && terms.scopes.length < request.scopes.length) {
    codes.push('invalid_input')
  }
  if (!completes || request.isBreakGlass) return codes
  const { outcome } = judgeAgain(world, request, terms)
  if (outcome === 'not_eligible' || outcome === 'outside_policy') codes.push(outcome)
  if (request.extendsGrant !== null && isGrantOver(world, world.grant(request.extendsGrant))) {
    codes.push('grant_ended')
  }
  return codes
}

/** What is left when this review narrows: undefined when it is wider, or nothing is left. */
function termsAfter(request: ModelRequest, review: ActionOf<'review'>): Terms | undefined {
  const approved = review.scopes ?? request.scopes
  const seconds = review.durationSeconds ?? request.durationSeconds
  const isWider =
    approved.some((scope) => !request.requestedScopes.includes(scope)) ||
    seconds > request.requestedDurationSeconds
  const scopes = request.scopes.filter((scope) => approved.includes(scope))
  if (isWider || scopes.length === 0) return undefined
  return { scopes, durationSeconds: Math.min(seconds, request.durationSeconds) }
}

export function review(world: World, action: ActionOf<'review'>): Effect {
  const request = world.request(action.request)
  const terms = termsAfter(request, action)
  const sides = sidesOf(world, request, terms)
  const isComplete =
    action.verdict === 'approve' && seating(world, request, sides, action.who).completes
  const key = keyOf(world, request)
  const events = [{ type: 'request.reviewed', key }]
  const changes = [{ request: action.request }]
  request.reviews.push({
    reviewer: action.who,
    verdict: action.verdict,
    scopes: action.scopes ?? null,
    durationSeconds: action.durationSeconds ?? null,
    at: world.now,
  })
  const effect = (isRisen: boolean, more: readonly { readonly grant: number }[] = []): Effect => ({
    ...nothing,
    events,
    changes: [...changes, ...more],
    risen: isRisen ? [action.request] : [],
  })
  if (request.afterReview === 'open') {
    if (action.verdict === 'approve' && !isComplete) return effect(false)
    request.afterReview = action.verdict === 'approve' ? 'accepted' : 'rejected'
    events.push({ type: 'break_glass.reviewed', key })
    const grant = request.grant === null ? undefined : world.grant(request.grant)
    if (action.verdict === 'approve' || grant === undefined || isGrantOver(world, grant)) {
      return effect(true)
    }
    Object.assign(grant, { state: 'revoked', endedAt: world.now, endedBy: action.who })
    grant.endReason = '*'
    events.push({ type: 'grant.revoked', key })
    return effect(true, [{ grant: request.grant ?? 0 }])
  }
  if (action.verdict === 'deny') {
    request.state = 'denied'
    events.push({ type: 'request.denied', key })
    return effect(true)
  }
  if (terms === undefined) throw new Error('a wider approval is refused')
  const isNarrower =
    terms.scopes.length < request.scopes.length || terms.durationSeconds < request.durationSeconds
  Object.assign(request, terms)
  if (!isComplete) return effect(isNarrower)
  request.state = 'approved'
  events.push({ type: 'request.approved', key }, { type: fulfil(world, request), key })
  return effect(true)
}

export function judgeOwnAct(
  world: World,
  action: ActionOf<'cancel' | 'comment'>,
): readonly string[] {
  const request = world.request(action.request)
  if (!maySeeRequest(world, request, action.who)) return ['not_found']
  if (action.kind === 'comment') return []
  const codes: string[] = []
  if (action.who !== request.subject) codes.push('not_permitted')
  if (stateOf(world, request) !== 'pending') codes.push('request_closed')
  return codes
}

export function cancel(world: World, action: ActionOf<'cancel'>): Effect {
  const request = world.request(action.request)
  request.state = 'cancelled'
  return {
    ...nothing,
    events: [{ type: 'request.cancelled', key: keyOf(world, request) }],
    changes: [{ request: action.request }],
    risen: [action.request],
  }
}

export function judgeExtension(world: World, action: ActionOf<'extend'>): readonly string[] {
  const grant = world.grant(action.grant)
  const rights = grantRights(grant, action.who, admin)
  if (!rights.maySee) return ['not_found']
  if (!rights.isHolder) return ['not_holder']
  const codes: string[] = []
  if (grant.isBreakGlass) codes.push('outside_policy')
  if (isGrantOver(world, grant)) codes.push('grant_ended')
  const pending = pendingExtension(world, action.grant)
  if (pending !== undefined) {
    const isAnother = pending.requestedDurationSeconds !== action.durationSeconds
    return isAnother ? [...codes, 'already_pending'] : codes
  }
  const verdict = verdictOnExtension(world, action)
  if (verdict.outcome === 'not_eligible' || verdict.outcome === 'outside_policy') {
    codes.push(verdict.outcome)
  }
  if (lacksReviewers(world, action.who, verdict)) codes.push('no_reviewer')
  return codes
}

function pendingExtension(world: World, grant: number): ModelRequest | undefined {
  return world.requests.find(
    (request) => request.extendsGrant === grant && stateOf(world, request) === 'pending',
  )
}

/** Policy decides on the whole time, from the start to the new end. */
function verdictOnExtension(world: World, action: ActionOf<'extend'>): Verdict {
  const grant = world.grant(action.grant)
  return judgeAsk({
    subject: action.who,
    role: grant.role,
    scopes: grant.scopes,
    durationSeconds: (grant.endsAt - grant.startsAt) / 1000 + action.durationSeconds,
    justification: extensionReason,
    ticket: action.ticket,
    isBreakGlass: false,
  })
}

export function extend(world: World, action: ActionOf<'extend'>): Effect {
  const first = pendingExtension(world, action.grant)
  if (first !== undefined) {
    return { ...nothing, answer: { isNew: false, request: world.requests.indexOf(first) } }
  }
  const late = world.requests.find(
    ({ extendsGrant, state }) => extendsGrant === action.grant && state === 'pending',
  )
  const lapsed = late === undefined ? nothing : lapse(world, late)
  const { request, events } = open(world, verdictOnExtension(world, action), {
    subject: action.who,
    role: world.grant(action.grant).role,
    requestedDurationSeconds: action.durationSeconds,
    justification: extensionReason,
    ticket: action.ticket,
    startsAt: null,
    extendsGrant: action.grant,
  })
  return {
    answer: { isNew: true, request },
    events: [...lapsed.events, ...events],
    changes: [...lapsed.changes, { request }],
    risen: [],
    mayRise: lapsed.mayRise,
  }
}

export function look(world: World, { who }: ActionOf<'look'>): Effect {
  const indexes = <T>(all: readonly T[], isShown: (one: T) => boolean) =>
    all.flatMap((one, index) => (isShown(one) ? [index] : []))
  const visible = {
    requests: indexes(world.requests, (request) => maySeeRequest(world, request, who)),
    toReview: indexes(world.requests, (request) => canReview(world, request, who)),
    grants: indexes(world.grants, (grant) => grantRights(grant, who, admin).maySee),
  }
  return { ...nothing, answer: { visible } }
}
