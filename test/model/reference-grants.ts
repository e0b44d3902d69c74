import type { ActionOf } from './actions.ts'
import { accountsOfHuman, admin, owns } from './company.ts'
import { type Change, type Effect, nothing } from './effect.ts'
import { givenReason } from './reasons.ts'
import { keyOf, lapse } from './reference-requests.ts'
import { grantRights } from './reference-rules.ts'
import type { SeenEvent } from './system.ts'
import {
  grantStateOf,
  isGrantOver,
  isLiveState,
  isTokenActive,
  type ModelGrant,
  stateOf,
  type World,
} from './world.ts'

export function judgeGrantAct(
  world: World,
  { kind, who, grant: index }: ActionOf<'release' | 'revoke' | 'suspend' | 'resume'>,
): readonly string[] {
  const grant = world.grant(index)
  const rights = grantRights(grant, who, admin)
  if (!rights.maySee) return ['not_found']
  const state = grantStateOf(world, grant)
  const codes: string[] = []
  if (kind === 'release' && !rights.isHolder) codes.push('not_holder')
  if ((kind === 'revoke' || kind === 'suspend') && !rights.mayEnd) codes.push('not_permitted')
  if (kind === 'resume' && !rights.mayResume) codes.push('not_permitted')
  if (!isLiveState(state)) codes.push('grant_ended')
  else if (kind === 'suspend' && state !== 'active') codes.push('grant_not_active')
  else if (kind === 'resume' && state !== 'suspended') codes.push('grant_not_active')
  return codes
}

export function end(
  world: World,
  { kind, who, grant: index }: ActionOf<'release' | 'revoke'>,
): Effect {
  const grant = world.grant(index)
  const state = kind === 'revoke' ? 'revoked' : 'released'
  endNow(world, grant, state, who)
  return { ...nothing, events: [told(grant, `grant.${state}`)], changes: [{ grant: index }] }
}

function endNow(world: World, grant: ModelGrant, state: 'revoked' | 'released', who: string): void {
  const endReason = state === 'revoked' ? givenReason : null
  Object.assign(grant, { state, endedAt: world.now, endedBy: who, endReason })
}

function told(grant: ModelGrant, type: string): SeenEvent {
  return { type, key: `request ${grant.request}` }
}

export function suspend(world: World, { grant: index }: ActionOf<'suspend'>): Effect {
  const grant = world.grant(index)
  const hasStarted = grant.state === 'scheduled'
  grant.state = 'suspended'
  for (const token of world.tokens) if (token.grant === index) token.isTakenBack = true
  return {
    ...nothing,
    events: [...(hasStarted ? [told(grant, 'grant.started')] : []), told(grant, 'grant.suspended')],
    changes: [...(hasStarted ? [{ grant: index }] : []), { grant: index }],
  }
}

export function resume(world: World, { grant: index }: ActionOf<'resume'>): Effect {
  const grant = world.grant(index)
  grant.state = 'active'
  return { ...nothing, events: [told(grant, 'grant.resumed')], changes: [{ grant: index }] }
}

export function judgeMint(world: World, action: ActionOf<'mint'>): readonly string[] {
  const grant = world.grant(action.grant)
  const rights = grantRights(grant, action.who, admin)
  if (!rights.maySee) return ['not_found']
  if (!rights.isHolder) return ['not_holder']
  const codes: string[] = []
  const state = grantStateOf(world, grant)
  if (!isLiveState(state)) codes.push('grant_ended')
  else if (state !== 'active') codes.push('grant_not_active')
  // times in a token are whole seconds, rounded down: it would be over before it is used
  else if (inSeconds(grant.endsAt) * 1000 <= world.now) codes.push('grant_not_active')
  if (action.scopes?.some((scope) => !grant.scopes.includes(scope))) codes.push('wider_than_asked')
  const isRevoked = world.revocations.some(
    ({ target, forgetAt }) =>
      forgetAt > world.now && (target === grant.subject || target === grant.resource),
  )
  if (isRevoked) codes.push('recently_revoked')
  return codes
}

export function mint(world: World, action: ActionOf<'mint'>): Effect {
  const grant = world.grant(action.grant)
  const scopes = grant.scopes.filter((scope) => action.scopes?.includes(scope) ?? true)
  const until = Math.min(inSeconds(world.now) + grant.tokenSeconds, inSeconds(grant.endsAt))
  world.tokens.push({
    grant: action.grant,
    scopes,
    expiresAt: until * 1000,
    isTakenBack: false,
  })
  return {
    ...nothing,
    answer: { token: { scopes, expiresInSeconds: until - inSeconds(world.now) } },
    changes: [{ grant: action.grant }],
  }
}

function inSeconds(instant: number): number {
  return Math.floor(instant / 1000)
}

export function introspect(world: World, { token, resource }: ActionOf<'introspect'>): Effect {
  const active = isTokenActive(world, world.token(token), resource)
  return { ...nothing, answer: { isTokenActive: active } }
}

export function judgeGoverning(
  action: ActionOf<'revoke-subject' | 'disable-subject' | 'enable-subject' | 'revoke-resource'>,
): readonly string[] {
  const isOwner = action.kind === 'revoke-resource' && owns(action.who, action.resource)
  return action.who === admin || isOwner ? [] : ['not_permitted']
}

export function endSubject(
  world: World,
  { kind, who, subject }: ActionOf<'revoke-subject' | 'disable-subject'>,
): Effect {
  const events: SeenEvent[] = []
  const changes: Change[] = []
  const risen: number[] = []
  let grantsRevoked = 0
  for (const account of accountsOfHuman(subject)) {
    if (kind === 'disable-subject' && !world.disabled.has(account)) {
      world.disabled.add(account)
      events.push({ type: 'subject.disabled', key: account })
    }
    for (const [index, request] of world.requests.entries()) {
      if (request.subject !== account || stateOf(world, request) !== 'pending') continue
      request.state = 'cancelled'
      risen.push(index)
      changes.push({ request: index })
      events.push({ type: 'request.cancelled', key: keyOf(world, request) })
    }
    const ended = endWhere(world, who, (grant) => grant.subject === account)
    events.push(...ended.events)
    changes.push(...ended.changes, { subject: account })
    grantsRevoked += ended.changes.length
    forbidMinting(world, account, (grant) => grant.subject === account)
  }
  return { ...nothing, answer: { grantsRevoked }, events, changes, risen }
}

function endWhere(world: World, who: string, isMeant: (grant: ModelGrant) => boolean) {
  const events: SeenEvent[] = []
  const changes: Change[] = []
  for (const [index, grant] of world.grants.entries()) {
    if (!isMeant(grant) || isGrantOver(world, grant)) continue
    endNow(world, grant, 'revoked', who)
    events.push(told(grant, 'grant.revoked'))
    changes.push({ grant: index })
  }
  return { events, changes }
}

/** While a revocation of the whole target lives, it would match new tokens too. */
function forbidMinting(
  world: World,
  target: string,
  isMeant: (grant: ModelGrant) => boolean,
): void {
  const ends = world.tokens
    .filter((token) => token.expiresAt > world.now && isMeant(world.grant(token.grant)))
    .map(({ expiresAt }) => expiresAt)
  if (ends.length > 0) world.revocations.push({ target, forgetAt: Math.max(...ends) })
}

export function enableSubject(world: World, { subject }: ActionOf<'enable-subject'>): Effect {
  const enabled = accountsOfHuman(subject).filter((account) => world.disabled.delete(account))
  return {
    ...nothing,
    answer: { grantsRevoked: 0 },
    events: enabled.map((account) => ({ type: 'subject.enabled', key: account })),
    changes: enabled.map((account) => ({ subject: account })),
  }
}

export function endResource(world: World, { who, resource }: ActionOf<'revoke-resource'>): Effect {
  const ended = endWhere(world, who, (grant) => grant.resource === resource)
  forbidMinting(world, resource, (grant) => grant.resource === resource)
  return {
    ...nothing,
    answer: { grantsRevoked: ended.changes.length },
    events: ended.events,
    changes: [...ended.changes, { resource }],
  }
}

const warningMilliseconds = 10 * 60 * 1000

/** Stores what time has done already, and tells it. */
export function runJobs(world: World): Effect {
  const events: SeenEvent[] = []
  const changes: Change[] = []
  const mayRise: number[] = []
  for (const [index, grant] of world.grants.entries()) {
    const was = grant.state
    if (!isLiveState(was)) continue
    const is = grantStateOf(world, grant)
    if (is === 'expired') grant.endedAt = grant.endsAt
    grant.state = is
    if (is !== was) {
      events.push(told(grant, is === 'expired' ? 'grant.expired' : 'grant.started'))
      changes.push({ grant: index })
    }
  }
  for (const request of world.requests) {
    if (request.state !== 'pending' || stateOf(world, request) !== 'expired') continue
    const lapsed = lapse(world, request)
    events.push(...lapsed.events)
    changes.push(...lapsed.changes)
    mayRise.push(...lapsed.mayRise)
  }
  for (const grant of world.grants) {
    const isSoon = grant.endsAt - world.now <= warningMilliseconds
    if (grant.state !== 'active' || !isSoon || grant.toldEnd === grant.endsAt) continue
    grant.toldEnd = grant.endsAt
    events.push(told(grant, 'grant.ending'))
  }
  return { ...nothing, events, changes, mayRise }
}
