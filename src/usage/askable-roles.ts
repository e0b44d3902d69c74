import { type Catalog, isMember, type Role, type SubjectFacts } from '../catalog/index.ts'
import type { AskableRole } from './narrower-ask.ts'

/** The roles on a resource that a subject who held one of them could ask for. */
export type AskableRolesOf = (
  subject: SubjectFacts,
  resource: string,
  heldRole: string,
) => readonly AskableRole[]

/**
 * Prepares that question: a role is askable when an ordinary policy names it and reaches the subject; the first
 * such policy says for how long. The held role is among them while the catalog has it, even where the subject's
 * claims are too old to tell.
 */
export function askableRolesUnder(catalog: Catalog): AskableRolesOf {
  const roles = grouped(catalog.roles.values(), ({ resource }) => [resource])
  const ordinary = catalog.policies.filter(({ breakGlass }) => breakGlass === undefined)
  const policies = grouped(ordinary, (policy) => policy.roles)
  const askable = (role: Role, subject: SubjectFacts, isHeld: boolean): readonly AskableRole[] => {
    const policy = policies
      .get(role.name)
      ?.find(({ requesters }) => isMember(catalog, requesters, subject))
    if (policy === undefined && !isHeld) return []
    const maxDurationSeconds = policy?.maxDurationSeconds ?? Number.POSITIVE_INFINITY
    return [{ name: role.name, scopes: role.scopes, maxDurationSeconds }]
  }
  return (subject, resource, heldRole) =>
    (roles.get(resource) ?? []).flatMap((role) => askable(role, subject, role.name === heldRole))
}

function grouped<T>(
  items: Iterable<T>,
  keysOf: (item: T) => readonly string[],
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    for (const key of keysOf(item)) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
  }
  return groups
}
