import { type Catalog, isAdmin, isMember, isOwner, type SubjectFacts } from '../catalog/index.ts'

/** Whose credentials: a resource's or a workload's, by name. */
export interface CredentialOwner {
  readonly kind: 'resource' | 'workload'
  readonly name: string
}

/**
 * Who may make, see and delete credentials (CONTRACTS §§2, 4): admins; a resource's owners; people of a
 * workload's owner group. Never a workload, not even its own.
 */
export function mayManageCredentials(
  catalog: Catalog,
  owner: CredentialOwner,
  actor: SubjectFacts,
): boolean {
  if (actor.kind !== 'person') return false
  if (isAdmin(catalog, actor)) return true
  if (owner.kind === 'resource') return isOwner(catalog, owner.name, actor)
  const group = catalog.workloads.get(owner.name)?.owner
  return group !== undefined && isMember(catalog, [{ kind: 'group', name: group }], actor)
}

/** Whether the catalog knows what the credentials would be for. */
export function isKnownOwner(catalog: Catalog, owner: CredentialOwner): boolean {
  const named = owner.kind === 'resource' ? catalog.resources : catalog.workloads
  return named.has(owner.name)
}
