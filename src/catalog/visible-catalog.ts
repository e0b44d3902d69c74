import type { Catalog, Policy, Resource, Role, Sensitivity } from './catalog.ts'
import type { SubjectFacts } from './decision.ts'
import { isMember } from './membership.ts'

/** What one subject may ask for, CONTRACTS §4, `GET /v1/catalog`. */
export interface VisibleCatalog {
  readonly version: number
  readonly resources: readonly VisibleResource[]
  readonly roles: readonly VisibleRole[]
}

interface VisibleResource {
  readonly name: string
  readonly title: string
  readonly audience: string
  readonly owner: string
  readonly sensitivity: Sensitivity
  /** Scope → what it means. */
  readonly scopes: Readonly<Record<string, string>>
}

interface VisibleRole {
  readonly name: string
  readonly resource: string
  readonly scopes: readonly string[]
  /** True when no review comes first. */
  readonly isSelfService: boolean
  /** How many people must approve, all seats together. */
  readonly seatCount: number
  readonly maxDurationSeconds: number
  readonly defaultDurationSeconds: number
}

/**
 * The roles that some policy lets this subject ask for, and their resources. What is said of a role is what
 * the first policy says that could match; its `when` is not judged, for there is no request yet. A role
 * that is open by break-glass alone shows the terms of that.
 */
export function visibleCatalog(catalog: Catalog, subject: SubjectFacts): VisibleCatalog {
  const roles = [...catalog.roles.values()].flatMap((role) => {
    const policy = firstPolicy(catalog, subject, role)
    return policy === undefined ? [] : [visibleRole(role, policy)]
  })
  const named = new Set(roles.map(({ resource }) => resource))
  const resources = [...catalog.resources.values()].filter(({ name }) => named.has(name))
  return { version: catalog.version, resources: resources.map(visibleResource), roles }
}

function firstPolicy(catalog: Catalog, subject: SubjectFacts, role: Role): Policy | undefined {
  const policies = catalog.policies.filter(
    (policy) => policy.roles.includes(role.name) && isMember(catalog, policy.requesters, subject),
  )
  return policies.find(({ breakGlass }) => breakGlass === undefined) ?? policies[0]
}

function visibleRole(role: Role, policy: Policy): VisibleRole {
  return {
    name: role.name,
    resource: role.resource,
    scopes: role.scopes,
    isSelfService: policy.approval.length === 0,
    seatCount: policy.approval.reduce((sum, seat) => sum + seat.count, 0),
    maxDurationSeconds: policy.maxDurationSeconds,
    defaultDurationSeconds: policy.defaultDurationSeconds,
  }
}

function visibleResource(resource: Resource): VisibleResource {
  return {
    name: resource.name,
    title: resource.title,
    audience: resource.audience,
    owner: resource.owner,
    sensitivity: resource.sensitivity,
    scopes: Object.fromEntries(resource.scopes),
  }
}
