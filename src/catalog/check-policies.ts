import type { Catalog, Policy } from './catalog.ts'
import type { Findings, Place } from './finding.ts'
import { claimsIn, peopleOf, workloadsOf } from './membership.ts'
import type { PlacedPolicy } from './read-policies.ts'

/** Warns where a policy loads but cannot mean what it says. */
export function checkPolicies(
  findings: Findings,
  catalog: Catalog,
  policies: readonly PlacedPolicy[],
): void {
  for (const [index, placed] of policies.entries()) {
    const shadow = policies
      .slice(0, index)
      .find(({ policy }) => covers(catalog, policy, placed.policy))
    if (shadow === undefined) continue
    const message = `${shadow.policy.name}, which stands earlier, matches first for every role and requester of this policy.`
    findings.warn(placed.place, 'policy_never_reached', message)
  }
}

/** Warns of roles that no policy names. */
export function checkRoles(
  findings: Findings,
  catalog: Catalog,
  rolePlaces: ReadonlyMap<string, Place>,
): void {
  for (const [name, place] of rolePlaces) {
    if (catalog.policies.some((policy) => policy.roles.includes(name))) continue
    findings.warn(
      place,
      'role_without_policy',
      'No policy names this role, so nobody can ask for it.',
    )
  }
}

/** True when `first` decides every ask that `second` could decide. */
function covers(catalog: Catalog, first: Policy, second: Policy): boolean {
  if (first.when !== undefined) return false
  if ((first.breakGlass === undefined) !== (second.breakGlass === undefined)) return false
  if (!second.roles.every((role) => first.roles.includes(role))) return false
  return [peopleOf, workloadsOf, claimsIn].every((reach) => {
    const wide = new Set(reach(catalog, first.requesters))
    return reach(catalog, second.requesters).every((name) => wide.has(name))
  })
}
