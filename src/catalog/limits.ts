import type { Reason } from '../errors.ts'
import type { Policy, Role } from './catalog.ts'
import type { Ask } from './decision.ts'
import { formatDuration } from './duration.ts'

/** Every limit of the matching policy that an ask breaks, all at once; empty when it keeps them. */
export function limitsBroken(
  policy: Policy,
  role: Role,
  scopes: readonly string[],
  ask: Ask,
): readonly Reason[] {
  return [
    ...scopesBroken(role, scopes),
    ...durationBroken(policy, ask),
    ...justificationBroken(policy, ask),
    ...ticketBroken(policy, ask),
  ]
}

function scopesBroken(role: Role, scopes: readonly string[]): readonly Reason[] {
  if (scopes.length === 0) {
    const message = `Ask for at least one scope of ${role.name}: ${role.scopes.join(', ')}.`
    return [{ code: 'scopes_empty', message }]
  }
  if (scopes.every((scope) => role.scopes.includes(scope))) return []
  const message = `Ask for no other scopes than those of ${role.name}: ${role.scopes.join(', ')}.`
  return [{ code: 'scope_not_in_role', message }]
}

function durationBroken(policy: Policy, ask: Ask): readonly Reason[] {
  if (ask.durationSeconds <= policy.maxDurationSeconds) return []
  const most = formatDuration(policy.maxDurationSeconds)
  const message = ask.isExtension
    ? `Policy ${policy.name} allows at most ${most} in all; the extension would make it ${formatDuration(ask.durationSeconds)}.`
    : `Policy ${policy.name} allows at most ${most}. Ask for that or less.`
  return [{ code: 'duration_too_long', message }]
}

function justificationBroken(policy: Policy, ask: Ask): readonly Reason[] {
  const least = policy.justification.minLength
  if ([...ask.justification.trim()].length >= least) return []
  const message = `Policy ${policy.name} wants a justification of at least ${least} characters. Say what the access is for.`
  return [{ code: 'justification_too_short', message }]
}

function ticketBroken(policy: Policy, ask: Ask): readonly Reason[] {
  const pattern = policy.justification.ticket
  if (pattern === undefined) return []
  if (ask.ticket === undefined || ask.ticket === '') {
    const message = `Policy ${policy.name} wants a ticket that matches ${pattern.source}. Name one.`
    return [{ code: 'ticket_missing', message }]
  }
  if (pattern.test(ask.ticket)) return []
  const message = `The ticket does not match ${pattern.source}, which policy ${policy.name} wants.`
  return [{ code: 'ticket_mismatch', message }]
}
