import { deepStrictEqual, ok } from 'node:assert/strict'
import { humanBehind, isOnSideOf } from './company.ts'
import { judgeAsk, mostFilled, policyOf, seatsFitting, seatTotal } from './reference-rules.ts'
import type { SeenGrant, SeenRequest } from './system.ts'

/** What was seen after the step before; what must hold between steps is judged by it. */
export interface History {
  requests: readonly SeenRequest[]
  grants: readonly SeenGrant[]
}

const finalRequestStates = ['approved', 'denied', 'cancelled', 'expired']
const finalGrantStates = ['revoked', 'released', 'expired']

/** What holds after every step, whatever the model says: judged from what is seen alone. */
export function checkInvariants(
  history: History,
  requests: readonly SeenRequest[],
  grants: readonly SeenGrant[],
): void {
  const openers = grants.map(({ request }) => request)
  deepStrictEqual(new Set(openers).size, openers.length, 'one request opened two grants')
  for (const [index, grant] of grants.entries()) checkGrant(requests, grant, index)
  for (const [index, before] of history.requests.entries()) {
    const after = requests[index]
    ok(after !== undefined, `request ${index} is gone`)
    ok(after.version >= before.version, `the version of request ${index} fell`)
    if (finalRequestStates.includes(before.state)) deepStrictEqual(after.state, before.state)
    if (finalRequestStates.includes(before.state)) deepStrictEqual(after.grant, before.grant)
    if (before.afterReview === 'accepted' || before.afterReview === 'rejected') {
      deepStrictEqual(after.afterReview, before.afterReview)
    }
  }
  for (const [index, before] of history.grants.entries()) {
    const after = grants[index]
    ok(after !== undefined, `grant ${index} is gone`)
    if (finalGrantStates.includes(before.state)) deepStrictEqual(after, before, 'ended is final')
    ok(after.endsAt >= before.endsAt, 'no end comes nearer')
    deepStrictEqual(after.startsAt, before.startsAt)
    deepStrictEqual(after.scopes, before.scopes, 'no grant gains or loses a scope')
  }
  history.requests = requests
  history.grants = grants
}

function checkGrant(requests: readonly SeenRequest[], grant: SeenGrant, index: number): void {
  const opener = requests[grant.request]
  ok(opener?.grant === index, `grant ${index} was opened by a request that does not know it`)
  deepStrictEqual(opener.state, 'approved')
  ok(grant.startsAt >= opener.createdAt, 'no clock starts before the ask')
  const extensions = requests.filter((one) => one.extendsGrant === index && one.grant === index)
  const seconds = [opener, ...extensions].reduce((sum, one) => sum + one.durationSeconds, 0)
  deepStrictEqual(grant.endsAt - grant.startsAt, seconds * 1000, 'the time that was approved')
  for (const request of [opener, ...extensions]) checkReviewers(request)
}

/** No access without its distinct reviewers, unless a policy needs none first; never by the requester. */
function checkReviewers(request: SeenRequest): void {
  const approvals = request.reviews.filter(({ verdict }) => verdict === 'approve')
  for (const { reviewer } of request.reviews) {
    ok(!isOnSideOf(request.subject, reviewer), `${reviewer} reviewed for ${request.subject}`)
  }
  const humans = request.reviews.map(({ reviewer }) => humanBehind(reviewer))
  deepStrictEqual(new Set(humans).size, humans.length, 'one person reviewed twice')
  ok(request.durationSeconds <= request.requestedDurationSeconds)
  ok(request.scopes.every((scope) => request.requestedScopes.includes(scope)))
  if (request.isBreakGlass || isAllowedAtOnce(request)) return
  const { seats } = policyOf(request.policy)
  const sitters = approvals.map(({ reviewer }) => ({
    human: humanBehind(reviewer),
    seats: seatsFitting(seats, reviewer),
  }))
  deepStrictEqual(mostFilled(seats, sitters), seatTotal(seats), 'access without its reviewers')
}

function isAllowedAtOnce(request: SeenRequest): boolean {
  if (policyOf(request.policy).seats.length === 0) return true
  const { outcome } = judgeAsk({
    ...request,
    scopes: request.requestedScopes,
    durationSeconds: request.requestedDurationSeconds,
    ticket: request.ticket ?? undefined,
  })
  return outcome === 'allow' && request.approval.length === 0
}
