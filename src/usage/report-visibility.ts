import { accountsOf, type Catalog, isAdmin, isOwner, type SubjectFacts } from '../catalog/index.ts'

/** Which rows somebody sees in a report: those of these subjects, and those on these resources. */
export type ReportVisibility =
  | { readonly kind: 'everything' }
  | {
      readonly kind: 'some'
      readonly subjects: readonly string[]
      readonly resources: readonly string[]
    }

/** Admins all; owners their resources; everybody their own, under whichever account (CONTRACTS §2). */
export function visibleRows(catalog: Catalog, actor: SubjectFacts): ReportVisibility {
  if (isAdmin(catalog, actor)) return { kind: 'everything' }
  return {
    kind: 'some',
    subjects: accountsOf(catalog, actor.id),
    resources: [...catalog.resources.keys()].filter((name) => isOwner(catalog, name, actor)),
  }
}
