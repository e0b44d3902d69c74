import { readAsk, startTimeFault } from '../../src/access/ask-input.ts'
import {
  effectiveState as effectiveGrantState,
  endGrant,
  type Grant,
  type GrantEvent,
  isFinal,
  moveGrant,
} from '../../src/access/grant.ts'
import { rightsOver } from '../../src/access/grant-rights.ts'
import {
  type AccessRequest,
  effectiveState,
  moveRequest,
  openRequest,
  type Review,
} from '../../src/access/request.ts'
import { requestView, seatedNow } from '../../src/access/request-view.ts'
import { applyReview, narrowTerms } from '../../src/access/review.ts'
import { recordSeats } from '../../src/access/seat-notation.ts'
import {
  canBeApproved,
  canBeFilled,
  canFillSeat,
  eligibleReviewers,
  hasReviewed,
  isBarred,
  maySee,
  policyNamed,
  type RequestFacts,
  seatsThatFit,
  situationOf,
} from '../../src/access/situation.ts'
import {
  type Ask,
  accountsOf,
  type Catalog,
  type Decision,
  decide,
  humanOf,
  isAdmin,
  isOwner,
  parseCatalog,
} from '../../src/catalog/index.ts'
import { type ErrorCode, HallpassError } from '../../src/errors.ts'
import { toJson } from '../../src/http/render.ts'
import { claimsOf } from '../../src/tokens/claims.ts'
import { chosenScopes, mintableScopes } from '../../src/tokens/mintable-scopes.ts'
import type { Action, ActionOf, AskAction } from './actions.ts'
import { companyText, subjects } from './company.ts'
import { extensionReason, givenReason } from './reasons.ts'
import { Names, seenGrant, seenPreview, seenRequest } from './seen.ts'
import type { Outcome, SeenGrant, SeenRequest, System } from './system.ts'

interface StoredRequest {
  request: AccessRequest
  readonly reviews: Review[]
  commentCount: number
}

interface Token {
  readonly grantId: string
  readonly subject: string
  readonly resource: string
  readonly expiresAt: Date
  isTakenBack: boolean
}

const { catalog: parsed, faults } = parseCatalog(companyText)
if (parsed === undefined) throw new Error(JSON.stringify(faults))
const catalog: Catalog = parsed

/**
 * The deciding files of catalog, access and tokens, joined by as little as can be: rows are objects, and nobody
 * else is there. What the verbs add (locks, audit, events) is the other system's to show.
 */
export class PureSystem implements System {
  #now: Date
  #made = 0
  readonly #names = new Names()
  readonly #requests = new Map<string, StoredRequest>()
  readonly #grants = new Map<string, Grant>()
  readonly #tokens: Token[] = []
  readonly #disabled = new Set<string>()
  readonly #revocations: { readonly target: string; readonly forgetAt: Date }[] = []

  constructor(now: Date) {
    this.#now = now
  }

  async perform(action: Action): Promise<Outcome> {
    try {
      if ('who' in action && this.#disabled.has(action.who)) refuse('not_permitted')
      return { code: 'ok', ...this.#act(action) }
    } catch (error) {
      if (!(error instanceof HallpassError)) throw error
      const { requestId } = error.options.extensions ?? {}
      return {
        code: error.code,
        ...(typeof requestId === 'string' ? { namedRequest: this.#names.request(requestId) } : {}),
      }
    }
  }

  async requests(): Promise<readonly SeenRequest[]> {
    return [...this.#requests.values()].map((stored) => {
      const facts = this.#factsOf(stored)
      const comments = Array.from({ length: stored.commentCount }, () => ({
        ...{ id: '', requestId: '', author: '', text: '', via: '', at: this.#now },
      }))
      const view = requestView(catalog, { ...facts, comments }, this.#now)
      return seenRequest(this.#names, toJson(view))
    })
  }

  async grants(): Promise<readonly SeenGrant[]> {
    return [...this.#grants.values()].map((grant) => {
      const state = effectiveGrantState(grant, this.#now)
      const isOverByTime = state === 'expired' && !isFinal(grant.state)
      const endedAt = isOverByTime ? grant.endsAt : grant.endedAt
      return seenGrant(this.#names, toJson({ ...grant, state, endedAt }))
    })
  }

  async written(): Promise<undefined> {
    return undefined
  }

  #act(action: Action): Omit<Outcome, 'code'> {
    switch (action.kind) {
      case 'ask':
        return this.#ask(action)
      case 'preview':
        return this.#preview(action)
      case 'review':
        return this.#review(action)
      case 'cancel':
        return this.#cancel(action)
      case 'comment':
        this.#requestSeenBy(action.request, action.who).stored.commentCount += 1
        return {}
      case 'extend':
        return this.#extend(action)
      case 'release':
      case 'revoke':
        return this.#end(action)
      case 'suspend':
        return this.#suspend(action)
      case 'resume':
        return this.#change(action, 'canResume')
      case 'mint':
        return this.#mint(action)
      case 'introspect':
        return this.#introspect(action)
      case 'revoke-subject':
      case 'disable-subject':
      case 'enable-subject':
        return this.#governSubject(action)
      case 'revoke-resource':
        return this.#revokeResource(action)
      case 'look':
        return { visible: this.#look(action.who) }
      case 'advance':
        this.#now = new Date(this.#now.getTime() + action.seconds * 1000)
        return {}
      case 'run-jobs':
        this.#runJobs()
        return {}
      case 'restart':
        return {}
      default:
        return action satisfies never
    }
  }

  #person(id: string) {
    const kind = id.startsWith('workload:') ? ('workload' as const) : ('person' as const)
    return { id, kind, claimGroups: [], isDisabled: this.#disabled.has(id) }
  }

  #factsOf({ request, reviews }: StoredRequest): RequestFacts {
    const people = new Map(subjects.map((id) => [id, this.#person(id)]))
    const extended = this.#grants.get(request.extendsGrantId ?? '')
    return { request, reviews, subject: this.#person(request.subject), people, extended }
  }

  #requestSeenBy(index: number, who: string) {
    const stored = this.#requests.get(this.#names.requestId(index))
    if (stored === undefined) throw new Error('a request that was made is gone')
    const facts = this.#factsOf(stored)
    const situation = situationOf(catalog, facts, this.#now)
    if (!maySee(catalog, situation, this.#person(who))) refuse('not_found')
    return { stored, facts, situation }
  }

  #ask(action: ActionOf<'ask'>): Omit<Outcome, 'code'> {
    const ask = readAsk(askInput(action, this.#now))
    if (startTimeFault(ask.startsAt, this.#now) !== undefined) refuse('invalid_input')
    const decision = decide(catalog, this.#person(action.who), ask, this.#now)
    if (decision.outcome === 'deny') refuse(decision.refusedAs ?? 'not_eligible')
    if (ask.isBreakGlass) {
      if (this.#openEmergency(action.who)) refuse('break_glass_unreviewed')
    } else {
      const isInTheWay = ({ subject, role, extendsGrantId }: AccessRequest) =>
        subject === action.who && role === ask.role && extendsGrantId === null
      const pending = this.#waiting(isInTheWay)
      if (pending !== undefined) return this.#first(pending, isSameAsk(pending, ask, decision))
      return this.#make(this.#draft(action.who, ask, decision), decision, isInTheWay)
    }
    return this.#make(this.#draft(action.who, ask, decision), decision, () => false)
  }

  /** Whoever asks the same again is shown the first; any other ask has to wait. */
  #first(pending: AccessRequest, isSame: boolean): Omit<Outcome, 'code'> {
    if (!isSame) throw alreadyPending(pending.id)
    return { isNew: false, request: this.#names.request(pending.id) }
  }

  #waiting(isMeant: (request: AccessRequest) => boolean): AccessRequest | undefined {
    return [...this.#requests.values()]
      .map(({ request }) => request)
      .find((request) => isMeant(request) && effectiveState(request, this.#now) === 'pending')
  }

  #openEmergency(who: string): boolean {
    const accounts = accountsOf(catalog, who)
    return [...this.#requests.values()].some(
      ({ request }) => request.afterReview === 'open' && accounts.includes(request.subject),
    )
  }

  #draft(subject: string, ask: Ask, decision: Decision, extending?: Grant): StoredRequest {
    const { policy, role } = decision
    if (decision.outcome === 'deny' || policy === undefined || role === undefined) {
      throw new Error('a denied ask makes no request')
    }
    const heldSeconds =
      extending === undefined ? 0 : secondsBetween(extending.startsAt, extending.endsAt)
    const isReviewed = decision.outcome === 'review' || policy.breakGlass !== undefined
    const request: AccessRequest = {
      ...openRequest(decision.outcome, policy, this.#now),
      id: this.#id('req'),
      subject,
      resource: role.resource,
      role: role.name,
      requestedScopes: decision.scopes,
      scopes: decision.scopes,
      requestedDurationSeconds: ask.durationSeconds - heldSeconds,
      durationSeconds: ask.durationSeconds - heldSeconds,
      justification: ask.justification,
      ticket: ask.ticket ?? null,
      startsAt: extending === undefined ? (ask.startsAt ?? null) : null,
      policy: policy.name,
      catalogVersion: 1,
      seats: recordSeats(isReviewed ? policy.approval : []),
      isBreakGlass: ask.isBreakGlass,
      extendsGrantId: extending?.id ?? null,
      grantId: null,
      version: 1,
      createdAt: this.#now,
      createdVia: 'api',
    }
    return { request, reviews: [], commentCount: 0 }
  }

  #requireReviewers(stored: StoredRequest): void {
    const situation = situationOf(catalog, this.#factsOf(stored), this.#now)
    const isAsked =
      stored.request.afterReview === 'open' ||
      effectiveState(stored.request, this.#now) === 'pending'
    if (isAsked && !canBeFilled(catalog, situation)) refuse('no_reviewer')
  }

  /** Stores a draft, and first that what was in its way has run out. */
  #make(
    stored: StoredRequest,
    decision: Decision,
    isInTheWay: (request: AccessRequest) => boolean,
  ): Omit<Outcome, 'code'> {
    this.#requireReviewers(stored)
    for (const other of this.#requests.values()) {
      if (isInTheWay(other.request)) this.#lapseIfDue(other)
    }
    const { id } = stored.request
    this.#requests.set(id, stored)
    const request = this.#names.request(id)
    if (stored.request.state === 'approved') this.#fulfil(stored, decision)
    return { isNew: true, request }
  }

  #fulfil(stored: StoredRequest, { policy }: Decision): void {
    const { request } = stored
    if (policy === undefined) throw new Error('nothing opens without a policy')
    if (request.extendsGrantId !== null) {
      const grant = this.#moved(request.extendsGrantId, 'extend')
      const endsAt = new Date(grant.endsAt.getTime() + request.durationSeconds * 1000)
      this.#grants.set(grant.id, { ...grant, endsAt })
      stored.request = { ...request, grantId: grant.id }
      return
    }
    const isLater = request.startsAt !== null && request.startsAt > this.#now
    const startsAt = isLater ? request.startsAt : this.#now
    const grant: Grant = {
      id: this.#id('grt'),
      requestId: request.id,
      subject: request.subject,
      resource: request.resource,
      audience: catalog.resources.get(request.resource)?.audience ?? '',
      role: request.role,
      scopes: request.scopes,
      policy: policy.name,
      catalogVersion: 1,
      state: isLater ? 'scheduled' : 'active',
      isBreakGlass: request.isBreakGlass,
      tokenLifetimeSeconds: policy.tokenLifetimeSeconds,
      startsAt,
      endsAt: new Date(startsAt.getTime() + request.durationSeconds * 1000),
      endedAt: null,
      endedBy: null,
      endReason: null,
      endingToldFor: null,
      createdAt: this.#now,
      version: 1,
    }
    this.#grants.set(grant.id, grant)
    this.#names.grant(grant.id)
    stored.request = { ...request, grantId: grant.id }
  }

  #preview(action: ActionOf<'preview'>): Omit<Outcome, 'code'> {
    const ask = readAsk(askInput(action, this.#now))
    const decision = decide(catalog, this.#person(action.who), ask, this.#now)
    const { policy } = decision
    const base = {
      decision: 'deny',
      policy: policy?.name ?? null,
      maxDurationSeconds: policy?.maxDurationSeconds ?? null,
      ...{ approval: [], eligibleReviewers: [] },
    }
    const shown = (preview: object) => ({ preview: seenPreview(toJson(preview)) })
    const isStopped =
      startTimeFault(ask.startsAt, this.#now) !== undefined ||
      (ask.isBreakGlass && this.#openEmergency(action.who))
    if (decision.outcome === 'deny' || isStopped) return shown(base)
    const stored = this.#draft(action.who, ask, decision)
    try {
      this.#requireReviewers(stored)
    } catch {
      return shown(base)
    }
    const situation = situationOf(catalog, this.#factsOf(stored), this.#now)
    return shown({
      ...base,
      decision: decision.outcome,
      approval: stored.request.seats.map(({ from, count }) => ({ from, count })),
      eligibleReviewers: eligibleReviewers(catalog, situation, this.#now),
    })
  }

  #review(action: ActionOf<'review'>): Omit<Outcome, 'code'> {
    const { stored, facts } = this.#requestSeenBy(action.request, action.who)
    const { request, reviews } = stored
    const input = {
      verdict: action.verdict,
      scopes: action.scopes,
      durationSeconds: action.durationSeconds,
      version: action.version,
    }
    const situation = situationOf(catalog, facts, this.#now, narrowTerms(request, input))
    const actor = this.#person(action.who)
    const { sides, decision } = situation
    const outcome = applyReview(
      {
        request,
        reviewer: {
          person: humanOf(catalog, actor.id),
          isPerson: actor.kind === 'person',
          isOnRequestersSide: isBarred(catalog, situation, actor),
          hasReviewed: hasReviewed(catalog, reviews, actor.id),
          via: 'api',
        },
        sides: sides.map((side) => ({
          ...side,
          reviewerFits: seatsThatFit(catalog, side.seats, actor),
        })),
        mustUseBrowser: policyNamed(catalog, request.policy)?.approveIn === 'browser',
      },
      input,
      this.#now,
    )
    if (outcome.kind === 'refused') return refuse(outcome.code)
    const given: Review = {
      id: this.#id('rev'),
      requestId: request.id,
      reviewer: actor.id,
      person: humanOf(catalog, actor.id),
      verdict: action.verdict,
      comment: null,
      scopes: action.scopes ?? null,
      durationSeconds: action.durationSeconds ?? null,
      via: 'api',
      at: this.#now,
    }
    const after: StoredRequest = { ...stored, reviews: [...reviews, given] }
    const seats = seatedNow(catalog, situationOf(catalog, this.#factsOf(after), this.#now))
    const keep = (changes: Partial<AccessRequest>) => {
      const isRisen =
        changes.state !== undefined ||
        changes.afterReview !== undefined ||
        (outcome.kind !== 'denied' && outcome.isNarrowed)
      after.request = { ...request, ...changes, version: request.version + (isRisen ? 1 : 0) }
    }
    if (request.afterReview === 'open') {
      if (outcome.kind !== 'denied' && outcome.isNarrowed) refuse('invalid_input')
      if (outcome.kind === 'counted') keep({ seats })
      else if (outcome.kind === 'completed') keep({ seats, afterReview: 'accepted' })
      else {
        keep({ afterReview: 'rejected' })
        this.#endIfLive(request.grantId, actor.id)
      }
    } else if (outcome.kind === 'denied') {
      keep({ state: this.#stateAfter(request, 'deny'), decidedAt: this.#now })
    } else {
      const { terms } = outcome
      if (request.extendsGrantId !== null && terms.scopes.length < request.scopes.length) {
        refuse('invalid_input')
      }
      if (outcome.kind === 'counted') keep({ ...terms, seats })
      else {
        if (decision === undefined) throw new Error('a pending request was not decided again')
        if (decision.outcome === 'deny') refuse(decision.refusedAs ?? 'not_eligible')
        keep({ ...terms, seats, state: this.#stateAfter(request, 'complete') })
        this.#fulfil(after, decision)
      }
    }
    this.#requests.set(request.id, after)
    return {}
  }

  #stateAfter(request: AccessRequest, event: 'complete' | 'deny' | 'cancel' | 'lapse') {
    return moveRequest(request, event, this.#now) ?? refuse('request_closed')
  }

  #cancel(action: ActionOf<'cancel'>): Omit<Outcome, 'code'> {
    const { stored } = this.#requestSeenBy(action.request, action.who)
    if (stored.request.subject !== action.who) refuse('not_permitted')
    this.#setState(stored, 'cancel')
    return {}
  }

  #setState(stored: StoredRequest, event: 'cancel' | 'lapse'): void {
    const { request } = stored
    const state = this.#stateAfter(request, event)
    stored.request = { ...request, state, version: request.version + 1 }
  }

  #grantOf(index: number, who: string, right: keyof ReturnType<typeof rightsOver>): Grant {
    const grant = this.#grants.get(this.#names.grantId(index))
    if (grant === undefined) throw new Error('a grant that was opened is gone')
    const rights = rightsOver(catalog, { kind: 'subject', facts: this.#person(who) }, grant)
    if (!rights.canSee) refuse('not_found')
    if (!rights[right]) refuse(right === 'isHolder' ? 'not_holder' : 'not_permitted')
    return grant
  }

  /** The grant, when the machine allows the event now. */
  #moved(id: string, event: GrantEvent): Grant {
    const grant = this.#grants.get(id)
    if (grant === undefined) throw new Error('a grant that was opened is gone')
    const move = moveGrant(grant, event, this.#now)
    if (move.isAllowed) return { ...grant, state: move.state }
    if (move.refusal === 'not_due') throw new Error('only time asks for what is not due')
    return refuse(move.refusal)
  }

  #change(
    { grant, who, kind }: ActionOf<'suspend' | 'resume'>,
    right: 'canSuspend' | 'canResume',
  ): Omit<Outcome, 'code'> {
    const { id } = this.#grantOf(grant, who, right)
    this.#grants.set(id, this.#moved(id, kind))
    return {}
  }

  #suspend(action: ActionOf<'suspend'>): Omit<Outcome, 'code'> {
    this.#change(action, 'canSuspend')
    const id = this.#names.grantId(action.grant)
    for (const token of this.#tokens) if (token.grantId === id) token.isTakenBack = true
    return {}
  }

  #end({ kind, grant: index, who }: ActionOf<'release' | 'revoke'>): Omit<Outcome, 'code'> {
    const grant = this.#grantOf(index, who, kind === 'release' ? 'isHolder' : 'canRevoke')
    this.#endNow(grant, kind, who, kind === 'release' ? null : givenReason)
    return {}
  }

  #endNow(grant: Grant, event: 'release' | 'revoke', by: string, reason: string | null): void {
    const ending = endGrant(grant, { event, by, reason }, this.#now)
    if (typeof ending !== 'string') this.#grants.set(grant.id, { ...grant, ...ending })
    else refuse(ending === 'not_due' ? 'grant_ended' : ending)
  }

  #endIfLive(id: string | null, by: string): void {
    const grant = this.#grants.get(id ?? '')
    if (grant === undefined || isFinal(effectiveGrantState(grant, this.#now))) return
    this.#endNow(grant, 'revoke', by, 'rejected')
  }

  #extend(action: ActionOf<'extend'>): Omit<Outcome, 'code'> {
    const grant = this.#grantOf(action.grant, action.who, 'isHolder')
    if (grant.isBreakGlass) refuse('outside_policy')
    this.#moved(grant.id, 'extend')
    const pending = this.#waiting(({ extendsGrantId }) => extendsGrantId === grant.id)
    if (pending !== undefined) {
      return this.#first(pending, pending.requestedDurationSeconds === action.durationSeconds)
    }
    const ask: Ask = {
      role: grant.role,
      scopes: grant.scopes,
      durationSeconds: secondsBetween(grant.startsAt, grant.endsAt) + action.durationSeconds,
      justification: extensionReason,
      ticket: action.ticket,
      startsAt: grant.startsAt,
      isBreakGlass: false,
      isExtension: true,
    }
    const decision = decide(catalog, this.#person(action.who), ask, this.#now)
    if (decision.outcome === 'deny') refuse(decision.refusedAs ?? 'not_eligible')
    return this.#make(
      this.#draft(action.who, ask, decision, grant),
      decision,
      ({ extendsGrantId }) => extendsGrantId === grant.id,
    )
  }

  #mint(action: ActionOf<'mint'>): Omit<Outcome, 'code'> {
    const grant = this.#grantOf(action.grant, action.who, 'isHolder')
    this.#moved(grant.id, 'mint')
    const mintable = mintableScopes(catalog, this.#person(grant.subject), grant)
    const scopes = chosenScopes(grant, mintable, action.scopes)
    const isRevoked = this.#revocations.some(
      ({ target, forgetAt }) =>
        forgetAt > this.#now && (target === grant.subject || target === grant.resource),
    )
    if (isRevoked) refuse('recently_revoked')
    const claims = claimsOf({
      issuer: 'http://localhost:8080',
      jti: this.#id('jti'),
      clientId: 'hallpass',
      scopes,
      now: this.#now,
      grant,
    })
    if (claims === undefined) return refuse('grant_not_active')
    const { subject, resource } = grant
    const expiresAt = new Date(claims.exp * 1000)
    this.#tokens.push({ grantId: grant.id, subject, resource, expiresAt, isTakenBack: false })
    return {
      token: { scopes: claims.scope.split(' '), expiresInSeconds: claims.exp - claims.iat },
    }
  }

  #introspect(action: ActionOf<'introspect'>): Omit<Outcome, 'code'> {
    const token = this.#tokens[action.token]
    const grant = this.#grants.get(token?.grantId ?? '')
    if (token === undefined || grant === undefined) throw new Error('a token is gone')
    const isTokenActive =
      token.resource === action.resource &&
      !token.isTakenBack &&
      token.expiresAt > this.#now &&
      !this.#disabled.has(token.subject) &&
      effectiveGrantState(grant, this.#now) === 'active'
    return { isTokenActive }
  }

  #governSubject({
    kind,
    who,
    subject,
  }: ActionOf<'revoke-subject' | 'disable-subject' | 'enable-subject'>): Omit<Outcome, 'code'> {
    if (!isAdmin(catalog, this.#person(who))) refuse('not_permitted')
    const accounts = accountsOf(catalog, subject)
    if (kind === 'enable-subject') {
      for (const account of accounts) this.#disabled.delete(account)
      return { grantsRevoked: 0 }
    }
    let grantsRevoked = 0
    for (const account of accounts) {
      if (kind === 'disable-subject') this.#disabled.add(account)
      for (const stored of this.#requests.values()) {
        const { request } = stored
        const isPending = effectiveState(request, this.#now) === 'pending'
        if (request.subject === account && isPending) this.#setState(stored, 'cancel')
      }
      grantsRevoked += this.#endAll(who, account, (grant) => grant.subject === account)
    }
    return { grantsRevoked }
  }

  #revokeResource({ who, resource }: ActionOf<'revoke-resource'>): Omit<Outcome, 'code'> {
    const actor = this.#person(who)
    if (!isAdmin(catalog, actor) && !isOwner(catalog, resource, actor)) refuse('not_permitted')
    return { grantsRevoked: this.#endAll(who, resource, (grant) => grant.resource === resource) }
  }

  #endAll(who: string, target: string, isMeant: (grant: Grant) => boolean): number {
    const live = [...this.#grants.values()].filter(
      (grant) => isMeant(grant) && !isFinal(effectiveGrantState(grant, this.#now)),
    )
    for (const grant of live) this.#endNow(grant, 'revoke', who, givenReason)
    const ends = this.#tokens
      .filter(({ subject, resource }) => subject === target || resource === target)
      .map(({ expiresAt }) => expiresAt.getTime())
      .filter((expiresAt) => expiresAt > this.#now.getTime())
    if (ends.length > 0) this.#revocations.push({ target, forgetAt: new Date(Math.max(...ends)) })
    return live.length
  }

  #look(who: string) {
    const actor = this.#person(who)
    const situations = [...this.#requests.values()].map((stored) =>
      situationOf(catalog, this.#factsOf(stored), this.#now),
    )
    const indexes = (isShown: (situation: (typeof situations)[number]) => boolean) =>
      situations.flatMap((situation, index) => (isShown(situation) ? [index] : []))
    return {
      requests: indexes((situation) => maySee(catalog, situation, actor)),
      toReview: indexes(
        (situation) =>
          canBeApproved(situation, this.#now) && canFillSeat(catalog, situation, actor),
      ),
      grants: [...this.#grants.values()].flatMap((grant, index) =>
        rightsOver(catalog, { kind: 'subject', facts: actor }, grant).canSee ? [index] : [],
      ),
    }
  }

  #runJobs(): void {
    for (const grant of this.#grants.values()) {
      if (moveGrant(grant, 'expire', this.#now).isAllowed) {
        const ending = endGrant(grant, { event: 'expire', by: 'job', reason: null }, this.#now)
        if (typeof ending !== 'string') this.#grants.set(grant.id, { ...grant, ...ending })
      } else if (moveGrant(grant, 'start', this.#now).isAllowed) {
        this.#grants.set(grant.id, { ...grant, state: 'active' })
      }
    }
    for (const stored of this.#requests.values()) this.#lapseIfDue(stored)
  }

  #lapseIfDue(stored: StoredRequest): void {
    if (moveRequest(stored.request, 'lapse', this.#now)) this.#setState(stored, 'lapse')
  }

  #id(prefix: string): string {
    this.#made += 1
    return `${prefix}_${this.#made}`
  }
}

function askInput(action: AskAction, now: Date) {
  const { startsInSeconds: start } = action
  return {
    role: action.role,
    scopes: action.scopes,
    durationSeconds: action.durationSeconds,
    justification: action.justification,
    ticket: action.ticket,
    startsAt: start === undefined ? undefined : new Date(now.getTime() + start * 1000),
    isBreakGlass: action.isBreakGlass,
  }
}

function isSameAsk(pending: AccessRequest, ask: Ask, { scopes }: Decision): boolean {
  return (
    pending.requestedDurationSeconds === ask.durationSeconds &&
    pending.startsAt?.getTime() === ask.startsAt?.getTime() &&
    pending.requestedScopes.length === scopes.length &&
    scopes.every((scope) => pending.requestedScopes.includes(scope))
  )
}

function alreadyPending(requestId: string): HallpassError {
  return new HallpassError('already_pending', 'waits', { extensions: { requestId } })
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000
}

function refuse(code: ErrorCode): never {
  throw new HallpassError(code, 'refused')
}
