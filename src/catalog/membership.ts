import type { Catalog, MemberReference } from './catalog.ts'
import type { SubjectFacts } from './decision.ts'

/** Everyone a list of references reaches, through any depth of nesting. */
interface Reach {
  readonly people: ReadonlySet<string>
  readonly workloads: ReadonlySet<string>
  readonly claims: ReadonlySet<string>
}

// a checked catalog never changes, so its groups are expanded once
const expandedGroups = new WeakMap<Catalog['groups'], ReadonlyMap<string, Reach>>()

function reachOfGroups(groups: Catalog['groups']): ReadonlyMap<string, Reach> {
  const known = expandedGroups.get(groups)
  if (known !== undefined) return known
  const expanded = new Map<string, Reach>()
  for (const [name, group] of groups) expanded.set(name, expand(groups, group.members))
  expandedGroups.set(groups, expanded)
  return expanded
}

function expand(groups: Catalog['groups'], references: readonly MemberReference[]): Reach {
  const people = new Set<string>()
  const workloads = new Set<string>()
  const claims = new Set<string>()
  const seen = new Set<string>()
  const open = [...references]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.kind === 'person') people.add(next.id)
    else if (next.kind === 'workload') workloads.add(next.name)
    else if (next.kind === 'claim') claims.add(next.name)
    else if (!seen.has(next.name)) {
      seen.add(next.name)
      open.push(...(groups.get(next.name)?.members ?? []))
    }
  }
  return { people, workloads, claims }
}

function reaches(reach: Reach | undefined, subject: SubjectFacts): boolean {
  if (reach === undefined) return false
  if (subject.kind === 'workload') {
    return subject.id.startsWith('workload:') && reach.workloads.has(subject.id.slice(9))
  }
  return reach.people.has(subject.id) || subject.claimGroups.some((name) => reach.claims.has(name))
}

/** Every group that contains the subject, through nesting, in file order. Claims count only through `claim:NAME`. */
export function groupsOf(catalog: Catalog, subject: SubjectFacts): readonly string[] {
  return [...reachOfGroups(catalog.groups)]
    .filter(([, reach]) => reaches(reach, subject))
    .map(([name]) => name)
}

/**
 * True when one of the references is the subject or reaches it through groups. Judges this subject alone:
 * another account of the same human lends it no membership.
 */
export function isMember(
  catalog: Catalog,
  references: readonly MemberReference[],
  subject: SubjectFacts,
): boolean {
  const groups = reachOfGroups(catalog.groups)
  return references.some((reference) => {
    switch (reference.kind) {
      case 'group':
        return reaches(groups.get(reference.name), subject)
      case 'claim':
        return subject.kind === 'person' && subject.claimGroups.includes(reference.name)
      case 'person':
        return subject.kind === 'person' && subject.id === reference.id
      case 'workload':
        return subject.kind === 'workload' && subject.id === `workload:${reference.name}`
      default:
        return reference satisfies never
    }
  })
}

/** The one id that stands for the human behind a subject; the subject's own when it has no aliases. */
export function humanOf(catalog: Catalog, subjectId: string): string {
  return catalog.humans.get(subjectId) ?? subjectId
}

/** Every subject id of the human behind this subject, this one included. */
export function accountsOf(catalog: Catalog, subjectId: string): readonly string[] {
  const human = humanOf(catalog, subjectId)
  const accounts = new Set([subjectId, human])
  for (const [account, owner] of catalog.humans) if (owner === human) accounts.add(account)
  return [...accounts].sort()
}

/** True for a person whom `admins` names. A workload is never an admin. */
export function isAdmin(catalog: Catalog, subject: SubjectFacts): boolean {
  return subject.kind === 'person' && isMember(catalog, catalog.admins, subject)
}

/** True for a person in the resource's owner group; false for a resource that is not in the catalog. */
export function isOwner(catalog: Catalog, resourceName: string, subject: SubjectFacts): boolean {
  const resource = catalog.resources.get(resourceName)
  if (resource === undefined || subject.kind !== 'person') return false
  return isMember(catalog, [{ kind: 'group', name: resource.owner }], subject)
}

/**
 * True when `reviewer` may never review for `requesterId`, whatever seats say: it is the same human, or the
 * requester is a workload and the reviewer, under any of their accounts, is in the group that owns it.
 */
export function isOnRequestersSide(
  catalog: Catalog,
  requesterId: string,
  reviewer: SubjectFacts,
): boolean {
  if (humanOf(catalog, requesterId) === humanOf(catalog, reviewer.id)) return true
  if (!requesterId.startsWith('workload:')) return false
  const owner = catalog.workloads.get(requesterId.slice(9))?.owner
  if (owner === undefined) return false
  return accountsOf(catalog, reviewer.id).some((id) =>
    isMember(catalog, [{ kind: 'group', name: owner }], { ...reviewer, id }),
  )
}

/** The people the file itself puts in reach of the references, sorted. Claim holders are not among them. */
export function peopleOf(
  catalog: Catalog,
  references: readonly MemberReference[],
): readonly string[] {
  return [...expand(catalog.groups, references).people].sort()
}

/** The workloads (names) in reach of the references, sorted. */
export function workloadsOf(
  catalog: Catalog,
  references: readonly MemberReference[],
): readonly string[] {
  return [...expand(catalog.groups, references).workloads].sort()
}

/** The provider's groups in reach of the references: whoever holds one is a member too. Sorted. */
export function claimsIn(
  catalog: Catalog,
  references: readonly MemberReference[],
): readonly string[] {
  return [...expand(catalog.groups, references).claims].sort()
}
