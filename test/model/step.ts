import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import type { Action, PlannedAction } from './actions.ts'
import { humanBehind } from './company.ts'
import type { Effect } from './effect.ts'
import { nothing } from './effect.ts'
import { checkInvariants, type History } from './invariants.ts'
import { effectOf, judge } from './reference.ts'
import { mostFilled, seatTotal } from './reference-rules.ts'
import type { Outcome, SeenEntry, SeenEvent, SeenRequest, System } from './system.ts'
import {
  countedSitters,
  expectedGrant,
  expectedRequest,
  isOpen,
  type ModelRequest,
  type World,
} from './world.ts'

/** The model beside what it has seen so far. */
export interface Story {
  readonly world: World
  readonly history: History
  /** Every answer and event that was met, as `kind code` and `told type`: what no story reaches is not tested. */
  readonly answers: Set<string>
}

/** Refusals that the audit log must know of; others may be there once. */
const audited = new Set([
  'self_review',
  'not_reviewer',
  'not_eligible',
  'outside_policy',
  'not_permitted',
  'not_holder',
  'no_reviewer',
])

/** One act on the model and on the system, and everything that must be the same afterwards. */
export class Step implements fc.AsyncCommand<Story, System> {
  readonly #planned: PlannedAction
  #done: string

  constructor(planned: PlannedAction) {
    this.#planned = planned
    this.#done = 'not done'
  }

  /** Every story tells of itself alone: while a failure is shrunk, many share their steps. */
  [fc.cloneMethod](): Step {
    return new Step(this.#planned)
  }

  check({ world }: Readonly<Story>): boolean {
    return this.#action(world) !== undefined
  }

  async run(story: Story, system: System): Promise<void> {
    const { world, history } = story
    const action = this.#action(world)
    if (action === undefined) throw new Error('a step was run that was not checked')
    this.#done = JSON.stringify(action)
    const refusals = judge(world, action)
    const outcome = await system.perform(action)
    this.#done += ` → ${outcome.code}`
    story.answers.add(`${action.kind} ${outcome.code}`)
    const isRefused = refusals.length > 0
    ok(
      isRefused ? refusals.includes(outcome.code) : outcome.code === 'ok',
      `${this.#done}, but the model says ${isRefused ? refusals.join(' or ') : 'ok'}`,
    )
    const effect = isRefused ? nothing : effectOf(world, action)
    for (const { type } of effect.events) story.answers.add(`told ${type}`)
    compareAnswer(world, action, outcome, effect, isRefused)
    const requests = await system.requests()
    const grants = await system.grants()
    compareRequests(world, requests, effect)
    deepStrictEqual(
      grants.map((grant, index) =>
        world.grants[index]?.endReason === '*' && grant.endReason !== null
          ? { ...grant, endReason: '*' }
          : grant,
      ),
      world.grants.map((grant) => expectedGrant(world, grant)),
    )
    const written = await system.written()
    if (written !== undefined) {
      compareEvents(written.events, isRefused ? findings(outcome.code) : effect.events)
      if (isRefused) compareRefusal(written.entries, action, outcome.code)
      else compareEntries(written.entries, effect.changes)
    }
    checkInvariants(history, requests, grants)
  }

  toString(): string {
    return this.#done
  }

  #action(world: World): Action | undefined {
    const { requests, grants, tokens } = world
    return this.#planned({ requests, grants, tokenCount: tokens.length })
  }
}

function compareAnswer(
  world: World,
  action: Action,
  { code, namedRequest, ...answer }: Outcome,
  effect: Effect,
  isRefused: boolean,
): void {
  deepStrictEqual(answer, effect.answer)
  if (code !== 'already_pending' || !isRefused) return
  const named = world.request(namedRequest ?? -1)
  deepStrictEqual(
    [named.state, 'who' in action && named.subject],
    ['pending', 'who' in action && action.who],
  )
}

function compareRequests(world: World, seen: readonly SeenRequest[], effect: Effect): void {
  deepStrictEqual(
    seen.map(({ version: _, approval, ...request }) => ({
      ...request,
      approval: approval.map(({ from, count }) => ({ from, count })),
    })),
    world.requests.map((request) => expectedRequest(world, request)),
  )
  for (const [index, request] of world.requests.entries()) {
    const { version = 0, approval = [] } = seen[index] ?? {}
    const rises = effect.risen.includes(index)
    const mayRise = rises || effect.mayRise.includes(index)
    const isRight = rises ? version > request.version : version === request.version
    ok(
      isRight || (mayRise && version > request.version),
      `request ${index} went from version ${request.version} to ${version}, which should ${rises ? '' : 'not '}rise`,
    )
    request.version = version
    checkSeated(world, index, request, approval)
  }
}

/** Who sits where may be chosen; that everyone may sit there, once, and that no seat is left open, may not. */
function checkSeated(
  world: World,
  index: number,
  request: ModelRequest,
  approval: SeenRequest['approval'],
): void {
  const seated = approval.flatMap(({ approvedBy }) => approvedBy)
  const sitters = countedSitters(world, request, request.seats)
  const isAsked = isOpen(world, request)
  for (const [seat, { approvedBy, count }] of approval.entries()) {
    ok(approvedBy.length <= count, `too many sit in seat ${seat} of request ${index}`)
    for (const account of approvedBy) {
      const isApproval = request.reviews.some(
        ({ reviewer, verdict }) => reviewer === account && verdict === 'approve',
      )
      const fits = request.seats[seat]?.members.includes(account) === true
      const counts = !isAsked || !world.disabled.has(account)
      ok(
        isApproval && fits && counts,
        `${account} sits wrongly in seat ${seat} of request ${index}`,
      )
    }
  }
  const humans = new Set(seated.map(humanBehind))
  ok(humans.size === seated.length, `one person sits twice in request ${index}`)
  const isComplete = request.state === 'approved' && request.afterReview !== 'rejected'
  const filled = isAsked ? mostFilled(request.seats, sitters) : seatTotal(request.seats)
  if (isAsked || isComplete) deepStrictEqual(seated.length, filled)
}

function findings(code: string): readonly SeenEvent[] {
  return code === 'no_reviewer' ? [{ type: 'finding.opened', key: 'finding' }] : []
}

/** In order for each key; what is told of different things has no order. */
function compareEvents(seen: readonly SeenEvent[], expected: readonly SeenEvent[]): void {
  const byKey = (events: readonly SeenEvent[]) => {
    const keys = [...new Set(events.map(({ key }) => key))].sort()
    return keys.map((key) => ({
      key,
      types: events.filter((event) => event.key === key).map(({ type }) => type),
    }))
  }
  deepStrictEqual(byKey(seen), byKey(expected))
}

function compareEntries(seen: readonly SeenEntry[], changes: Effect['changes']): void {
  const left = [...seen]
  for (const change of changes) {
    const at = left.findIndex(
      (entry) =>
        entry.outcome === 'ok' &&
        Object.entries(change).every(([name, value]) => Reflect.get(entry, name) === value),
    )
    ok(at >= 0, `no audit entry about ${JSON.stringify(change)} in ${JSON.stringify(left)}`)
    left.splice(at, 1)
  }
  deepStrictEqual(left, [], 'audit entries about nothing that changed')
}

function compareRefusal(seen: readonly SeenEntry[], action: Action, code: string): void {
  const who = 'who' in action ? action.who : ''
  const isRight = seen.every(
    (entry) => entry.outcome === 'refused' && entry.code === code && entry.actor.includes(who),
  )
  ok(isRight && seen.length <= 1, `a refusal (${code}) left ${JSON.stringify(seen)}`)
  ok(seen.length === 1 || !audited.has(code), `a refusal (${code}) left no audit entry`)
}
