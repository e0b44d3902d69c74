import type { Reason } from '../errors.ts'
import type { Catalog, Condition, ConditionFacts, Policy, Role } from './catalog.ts'
import type { Ask, Decision, PolicyTrail, SubjectFacts } from './decision.ts'
import { limitsBroken } from './limits.ts'
import { groupsOf, isMember } from './membership.ts'

/**
 * What policy says to one ask (CONTRACTS §1, "Matching"). The first policy, in file order, that matches by
 * role, requester and `when` decides alone: its limits refuse, they never pass the ask on to the next.
 * The ask is taken as well-formed; bounds that hold for every policy are checked where input is read.
 */
export function decide(catalog: Catalog, subject: SubjectFacts, ask: Ask, now: Date): Decision {
  const role = catalog.roles.get(ask.role)
  if (role === undefined) {
    // not repeated: people paste the strangest things into the wrong field
    const message = 'There is no such role. The catalog lists the roles you may ask for.'
    return denial('not_eligible', { code: 'unknown_role', message }, undefined, [])
  }
  const scopes = scopesAsked(role, ask)
  const facts = conditionFacts(catalog, subject, role, scopes, ask, now)
  const trail: PolicyTrail[] = []
  for (const policy of catalog.policies) {
    const step = consider(catalog, policy, subject, ask, facts)
    trail.push(step)
    if (step.outcome === 'failed') {
      const message = `The condition of policy ${policy.name} could not be evaluated, so nothing is allowed. Tell the owners of the catalog.`
      return denial('not_eligible', { code: 'condition_failed', message }, role, trail)
    }
    if (step.outcome === 'matched') return judge(policy, role, scopes, ask, facts, trail)
  }
  return denial('not_eligible', noPolicy(role, ask), role, trail)
}

/**
 * Whether some current policy still names this role and reaches this subject. Asked again at every mint;
 * durations, seats and conditions are not. With `isBreakGlass` only policies of that kind are looked at: an
 * emergency policy does not keep an ordinary grant alive, nor the other way round.
 */
export function isStillEligible(
  catalog: Catalog,
  subject: SubjectFacts,
  roleName: string,
  isBreakGlass?: boolean,
): boolean {
  if (!catalog.roles.has(roleName)) return false
  return catalog.policies.some(
    (policy) =>
      (isBreakGlass === undefined || (policy.breakGlass !== undefined) === isBreakGlass) &&
      policy.roles.includes(roleName) &&
      isMember(catalog, policy.requesters, subject),
  )
}

/** Without repetitions, in the role's order; scopes that the role lacks stay, at the end, to be refused. */
function scopesAsked(role: Role, ask: Ask): readonly string[] {
  if (ask.scopes === undefined) return role.scopes
  const asked = new Set(ask.scopes)
  const known = role.scopes.filter((scope) => asked.has(scope))
  return [...known, ...[...asked].filter((scope) => !role.scopes.includes(scope))]
}

function conditionFacts(
  catalog: Catalog,
  subject: SubjectFacts,
  role: Role,
  scopes: readonly string[],
  ask: Ask,
  now: Date,
): ConditionFacts {
  return {
    subject: { id: subject.id, kind: subject.kind, groups: groupsOf(catalog, subject) },
    request: {
      role: role.name,
      resource: role.resource,
      scopes,
      durationSeconds: ask.durationSeconds,
      justification: ask.justification,
      ticket: ask.ticket ?? '',
      startsAt: ask.startsAt ?? now,
      isExtension: ask.isExtension,
    },
    resource: {
      name: role.resource,
      sensitivity: catalog.resources.get(role.resource)?.sensitivity ?? 'high',
    },
    now,
  }
}

function consider(
  catalog: Catalog,
  policy: Policy,
  subject: SubjectFacts,
  ask: Ask,
  facts: ConditionFacts,
): PolicyTrail {
  const skipped = (message: string): PolicyTrail => ({
    policy: policy.name,
    outcome: 'skipped',
    message,
  })
  if (!policy.roles.includes(ask.role)) return skipped(`does not cover the role ${ask.role}`)
  if (policy.breakGlass !== undefined && !ask.isBreakGlass) {
    return skipped('is for break-glass requests only')
  }
  if (policy.breakGlass === undefined && ask.isBreakGlass) {
    return skipped('is not a break-glass policy')
  }
  if (!isMember(catalog, policy.requesters, subject)) {
    return skipped(`${subject.id} is not among its requesters`)
  }
  const condition = policy.when === undefined ? 'true' : outcomeOf(policy.when, facts)
  if (condition === 'failed') {
    return { policy: policy.name, outcome: 'failed', message: '`when` could not be evaluated' }
  }
  if (condition === 'false') return skipped('`when` is false for this request')
  return { policy: policy.name, outcome: 'matched', message: 'role, requester and `when` match' }
}

function judge(
  policy: Policy,
  role: Role,
  scopes: readonly string[],
  ask: Ask,
  facts: ConditionFacts,
  trail: readonly PolicyTrail[],
): Decision {
  const broken = limitsBroken(policy, role, scopes, ask)
  if (broken.length > 0) {
    return {
      outcome: 'deny',
      refusedAs: 'outside_policy',
      policy,
      role,
      scopes: [],
      reasons: broken,
      trail,
    }
  }
  const { outcome, reason } = approvalNeeded(policy, facts)
  return { outcome, refusedAs: undefined, policy, role, scopes, reasons: [reason], trail }
}

function approvalNeeded(
  policy: Policy,
  facts: ConditionFacts,
): { readonly outcome: 'allow' | 'review'; readonly reason: Reason } {
  if (policy.breakGlass !== undefined) {
    const message = `Policy ${policy.name} opens access at once in an emergency; the use is reviewed afterwards.`
    return { outcome: 'allow', reason: { code: 'break_glass', message } }
  }
  if (policy.approval.length === 0) {
    const message = `Policy ${policy.name} needs no approval.`
    return { outcome: 'allow', reason: { code: 'no_approval_needed', message } }
  }
  const automatic =
    policy.autoApprove === undefined ? 'false' : outcomeOf(policy.autoApprove, facts)
  if (automatic === 'true') {
    const message = `Policy ${policy.name} approves this request automatically.`
    return { outcome: 'allow', reason: { code: 'auto_approved', message } }
  }
  if (automatic === 'failed') {
    const message = `The automatic approval of policy ${policy.name} could not be evaluated, so reviewers decide.`
    return { outcome: 'review', reason: { code: 'auto_approve_failed', message } }
  }
  const count = policy.approval.reduce((sum, seat) => sum + seat.count, 0)
  const message = `Policy ${policy.name} needs ${count === 1 ? 'one approval' : `${count} approvals`}.`
  return { outcome: 'review', reason: { code: 'review_needed', message } }
}

function outcomeOf(condition: Condition, facts: ConditionFacts): 'true' | 'false' | 'failed' {
  try {
    return condition.evaluate(facts) ? 'true' : 'false'
  } catch {
    return 'failed'
  }
}

function noPolicy(role: Role, ask: Ask): Reason {
  const message = ask.isBreakGlass
    ? `No break-glass policy lets you ask for ${role.name}. Ask without break-glass, or ask the owners of the catalog.`
    : `No policy lets you ask for ${role.name} in this way. Ask the owners of the catalog to add you.`
  return { code: 'no_policy', message }
}

function denial(
  refusedAs: 'not_eligible',
  reason: Reason,
  role: Role | undefined,
  trail: readonly PolicyTrail[],
): Decision {
  return {
    outcome: 'deny',
    refusedAs,
    policy: undefined,
    role,
    scopes: [],
    reasons: [reason],
    trail,
  }
}
