/** A grant lives in the first three states; the last three are final. */
export type GrantState = 'scheduled' | 'active' | 'suspended' | 'revoked' | 'released' | 'expired'

/** What can happen to a grant. `start` and `expire` are time's; the others are somebody's. */
export type GrantEvent =
  | 'start'
  | 'mint'
  | 'extend'
  | 'suspend'
  | 'resume'
  | 'revoke'
  | 'release'
  | 'expire'

/** Why a move is refused; `not_due` is for time's own events alone and reaches no person. */
export type GrantRefusal = 'grant_not_active' | 'grant_ended' | 'not_due'

/** Time-bound authority of a subject over scopes of one resource, opened by one request. */
export interface Grant {
  readonly id: string
  readonly requestId: string
  readonly subject: string
  readonly resource: string
  readonly audience: string
  readonly role: string
  readonly scopes: readonly string[]
  readonly policy: string
  readonly catalogVersion: number
  /** As stored; time may have moved on. Ask `effectiveState`. */
  readonly state: GrantState
  readonly isBreakGlass: boolean
  readonly tokenLifetimeSeconds: number
  readonly startsAt: Date
  readonly endsAt: Date
  readonly endedAt: Date | null
  readonly endedBy: string | null
  readonly endReason: string | null
  readonly endingToldFor: Date | null
  readonly createdAt: Date
  readonly version: number
}

type GrantTimes = Pick<Grant, 'state' | 'startsAt' | 'endsAt'>

/** Either the state to go to (for `mint` and `extend` the same), or why not. */
export type GrantMove =
  | { readonly isAllowed: true; readonly state: GrantState }
  | { readonly isAllowed: false; readonly refusal: GrantRefusal }

const to = (state: GrantState): GrantMove => ({ isAllowed: true, state })
const refuse = (refusal: GrantRefusal): GrantMove => ({ isAllowed: false, refusal })

const endings = { revoke: to('revoked'), release: to('released'), expire: to('expired') }
const notActive = refuse('grant_not_active')
const ended = refuse('grant_ended')
const final: Record<GrantEvent, GrantMove> = {
  start: ended,
  mint: ended,
  extend: ended,
  suspend: ended,
  resume: ended,
  revoke: ended,
  release: ended,
  expire: ended,
}

/** The whole machine of CONTRACTS §3: every state, every event. */
const moves: Record<GrantState, Record<GrantEvent, GrantMove>> = {
  scheduled: {
    start: to('active'),
    mint: notActive,
    extend: to('scheduled'),
    suspend: notActive,
    resume: notActive,
    ...endings,
  },
  active: {
    start: notActive,
    mint: to('active'),
    extend: to('active'),
    suspend: to('suspended'),
    resume: notActive,
    ...endings,
  },
  suspended: {
    start: notActive,
    mint: notActive,
    // a later end does not lift the suspension
    extend: to('suspended'),
    suspend: notActive,
    resume: to('active'),
    ...endings,
  },
  revoked: final,
  released: final,
  expired: final,
}

/** The states that something still leads out of. */
export const liveStates = ['scheduled', 'active', 'suspended'] as const

/** True for a state that nothing leads out of. */
export function isFinal(state: GrantState): state is 'revoked' | 'released' | 'expired' {
  return state === 'revoked' || state === 'released' || state === 'expired'
}

/** The state at `now`, whatever jobs have run: a grant starts and ends by its times. */
export function effectiveState(grant: GrantTimes, now: Date): GrantState {
  if (isFinal(grant.state)) return grant.state
  if (now.getTime() >= grant.endsAt.getTime()) return 'expired'
  if (grant.state === 'scheduled' && now.getTime() >= grant.startsAt.getTime()) return 'active'
  return grant.state
}

/** Whether tokens may be minted from it and are honoured at `now`. */
export function isActive(grant: GrantTimes, now: Date): boolean {
  return effectiveState(grant, now) === 'active'
}

/**
 * Looks a move up. People's events are judged on the state that time has made of the grant; time's own
 * (`start`, `expire`) on the stored one, and only once they are due.
 */
export function moveGrant(grant: GrantTimes, event: GrantEvent, now: Date): GrantMove {
  if (event !== 'start' && event !== 'expire') return moves[effectiveState(grant, now)][event]
  const move = moves[grant.state][event]
  const due = event === 'start' ? 'active' : 'expired'
  return move.isAllowed && effectiveState(grant, now) !== due ? refuse('not_due') : move
}

/** How a grant ended, as it is stored. */
export interface GrantEnding {
  readonly state: 'revoked' | 'released' | 'expired'
  readonly endedAt: Date
  /** Null when its time ran out. */
  readonly endedBy: string | null
  readonly endReason: string | null
}

/**
 * Ends a grant, or says why not. What ran out ended at its own time, by nobody; what is taken or given back
 * ends now.
 */
export function endGrant(
  grant: GrantTimes,
  ending: {
    readonly event: 'revoke' | 'release' | 'expire'
    readonly by: string
    readonly reason: string | null
  },
  now: Date,
): GrantEnding | GrantRefusal {
  const move = moveGrant(grant, ending.event, now)
  if (!move.isAllowed) return move.refusal
  if (!isFinal(move.state)) throw new Error('an ending must lead to a final state')
  if (ending.event === 'expire') {
    return { state: move.state, endedAt: grant.endsAt, endedBy: null, endReason: null }
  }
  return { state: move.state, endedAt: now, endedBy: ending.by, endReason: ending.reason }
}
