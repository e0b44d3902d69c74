import { accountsOf, type Catalog, type MemberReference, peopleOf } from '../catalog/index.ts'

/** The id that a text means: people are known by the lower-cased address, however it is written. */
export function subjectIdOf(text: string): string {
  return text.includes('@') ? text.toLowerCase() : text
}

/** Whether the catalog itself names this person or workload anywhere. */
export function isNamedIn(catalog: Catalog, subjectId: string): boolean {
  if (subjectId.startsWith('workload:')) return catalog.workloads.has(subjectId.slice(9))
  if (accountsOf(catalog, subjectId).length > 1) return true
  const groups = [...catalog.groups.keys()].map(
    (name): MemberReference => ({ kind: 'group', name }),
  )
  const everywhere = [
    ...groups,
    ...catalog.admins,
    ...catalog.policies.flatMap(({ requesters }) => requesters),
    ...catalog.policies.flatMap(({ approval }) => approval.flatMap(({ from }) => from)),
  ]
  return peopleOf(catalog, everywhere).includes(subjectId)
}
