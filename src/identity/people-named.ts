import { type Catalog, type MemberReference, peopleOf } from '../catalog/index.ts'

/** Every person that the catalog names anywhere, with their other accounts, sorted. */
export function peopleNamed(catalog: Catalog): readonly string[] {
  const references: MemberReference[] = [
    ...[...catalog.groups.values()].flatMap(({ members }) => members),
    ...catalog.admins,
    ...catalog.policies.flatMap(({ requesters, approval }) => [
      ...requesters,
      ...approval.flatMap(({ from }) => from),
    ]),
  ]
  const accounts = [...catalog.humans].flat()
  return [...new Set([...peopleOf(catalog, references), ...accounts])].sort()
}
