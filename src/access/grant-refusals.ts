import { HallpassError } from '../errors.ts'
import { effectiveState, type Grant, type GrantEvent, moveGrant } from './grant.ts'

/** The answer to anyone who may not know whether a grant exists. */
export function grantNotFound(grant?: Grant): HallpassError {
  return new HallpassError(
    'not_found',
    'There is no such grant that you may see.',
    grant === undefined ? {} : { refusal: grantFacts(grant) },
  )
}

/** What the audit log is told when an act on this grant is refused. */
export function grantFacts(grant: Grant) {
  const { id, subject, resource, requestId } = grant
  return { grantId: id, subject, resource, requestId }
}

/** Throws `grant_ended` or `grant_not_active` unless the event is possible at `now`. */
export function requireMove(grant: Grant, event: GrantEvent, now: Date): void {
  const move = moveGrant(grant, event, now)
  if (move.isAllowed) return
  if (move.refusal === 'not_due') throw new Error('an event of time was asked for by somebody')
  throw moveRefused(move.refusal, grant, now)
}

/** The refusal of a move, in words. */
export function moveRefused(
  code: 'grant_ended' | 'grant_not_active',
  grant: Grant,
  now: Date,
): HallpassError {
  const state = effectiveState(grant, now)
  const message =
    code === 'grant_ended'
      ? `This grant has ended (${state}). Ask again if access is needed.`
      : `This grant is ${state}, so that is not possible now.`
  return new HallpassError(code, message, { refusal: grantFacts(grant) })
}
