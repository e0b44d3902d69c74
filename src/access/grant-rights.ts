import {
  accountsOf,
  type Catalog,
  humanOf,
  isAdmin,
  isMember,
  isOwner,
  type SubjectFacts,
} from '../catalog/index.ts'
import type { Grant } from './grant.ts'

/**
 * Who acts, as far as rights go: a person or workload with facts; an operator at the database, who may end
 * and see everything; a job, which may see and suspend; or nobody of these.
 */
export type Standing =
  | { readonly kind: 'subject'; readonly facts: SubjectFacts }
  | { readonly kind: 'operator' }
  | { readonly kind: 'job' }
  | { readonly kind: 'none' }

/** What one actor may do with one grant (CONTRACTS §2). */
export interface GrantRights {
  readonly canSee: boolean
  /** Its holder: mint, release, extend. */
  readonly isHolder: boolean
  readonly canRevoke: boolean
  readonly canSuspend: boolean
  readonly canResume: boolean
}

const nothing: GrantRights = {
  canSee: false,
  isHolder: false,
  canRevoke: false,
  canSuspend: false,
  canResume: false,
}
const operatorRights: GrantRights = {
  canSee: true,
  isHolder: false,
  canRevoke: true,
  canSuspend: true,
  canResume: true,
}
const jobRights: GrantRights = { ...nothing, canSee: true, canSuspend: true }

/** Rights over a grant under the catalog in force. */
export function rightsOver(
  catalog: Catalog,
  standing: Standing,
  grant: Pick<Grant, 'subject' | 'resource' | 'policy'>,
): GrantRights {
  if (standing.kind === 'operator') return operatorRights
  if (standing.kind === 'job') return jobRights
  if (standing.kind === 'none') return nothing
  const { facts } = standing
  const isHolder = facts.id === grant.subject
  const isHoldersHuman = humanOf(catalog, facts.id) === humanOf(catalog, grant.subject)
  const governs = isAdmin(catalog, facts) || isOwner(catalog, grant.resource, facts)
  const canEnd = governs || isReviewerOf(catalog, grant.policy, facts)
  return {
    canSee: isHoldersHuman || canEnd,
    isHolder,
    canRevoke: canEnd,
    canSuspend: canEnd,
    canResume: governs && !isHoldersHuman,
  }
}

/** True for a person whom a seat of the current policy of this name takes. */
function isReviewerOf(catalog: Catalog, policyName: string, facts: SubjectFacts): boolean {
  if (facts.kind !== 'person') return false
  const policy = catalog.policies.find(({ name }) => name === policyName)
  return policy?.approval.some((seat) => isMember(catalog, seat.from, facts)) ?? false
}

/** Which grants an actor may see, as a filter over columns; `everything` for admins and operators. */
export type GrantVisibility =
  | { readonly kind: 'everything' }
  | {
      readonly kind: 'some'
      readonly subjects: readonly string[]
      readonly resources: readonly string[]
      readonly policies: readonly string[]
    }
  | { readonly kind: 'nothing' }

/** The same rule as `rightsOver(…).canSee`, for lists. */
export function visibleGrants(catalog: Catalog, standing: Standing): GrantVisibility {
  if (standing.kind === 'operator' || standing.kind === 'job') return { kind: 'everything' }
  if (standing.kind === 'none') return { kind: 'nothing' }
  const { facts } = standing
  if (isAdmin(catalog, facts)) return { kind: 'everything' }
  return {
    kind: 'some',
    subjects: accountsOf(catalog, facts.id),
    resources: [...catalog.resources.keys()].filter((name) => isOwner(catalog, name, facts)),
    policies: catalog.policies
      .map(({ name }) => name)
      .filter((name) => isReviewerOf(catalog, name, facts)),
  }
}

/** Whether this actor may end everything of a subject, disable and enable it. */
export function mayGovernSubjects(catalog: Catalog, standing: Standing): boolean {
  if (standing.kind === 'operator') return true
  return standing.kind === 'subject' && isAdmin(catalog, standing.facts)
}

/** Whether this actor may end everything on a resource. */
export function mayGovernResource(catalog: Catalog, standing: Standing, resource: string): boolean {
  if (mayGovernSubjects(catalog, standing)) return true
  return standing.kind === 'subject' && isOwner(catalog, resource, standing.facts)
}
