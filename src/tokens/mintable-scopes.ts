import { type Catalog, isStillEligible, type SubjectFacts } from '../catalog/index.ts'
import { HallpassError, type RefusalFacts } from '../errors.ts'

interface MintableGrant {
  readonly id: string
  readonly requestId: string
  readonly subject: string
  readonly resource: string
  readonly audience: string
  readonly role: string
  readonly policy: string
  readonly scopes: readonly string[]
  readonly isBreakGlass: boolean
}

/**
 * The scopes that a token of this grant may carry under the catalog in force, in the grant's order: the grant's,
 * intersected with the role's of today (CONTRACTS §1, "Changes under way"). Throws `not_eligible` when the
 * subject is disabled, no current policy matches role and requester, the resource has another audience now, or
 * no scope is left.
 */
export function mintableScopes(
  catalog: Catalog,
  subject: SubjectFacts & { readonly isDisabled: boolean },
  grant: MintableGrant,
): readonly string[] {
  const refused = (message: string) =>
    new HallpassError('not_eligible', message, { refusal: refusalOf(grant) })
  if (subject.isDisabled) throw refused('This subject is disabled. Ask an admin to enable it.')
  if (!isStillEligible(catalog, subject, grant.role, grant.isBreakGlass)) {
    throw refused(
      `No current policy lets ${grant.subject} have ${grant.role}, so the grant mints nothing. The grant stays; ask the owners of the catalog.`,
    )
  }
  // a token for the old audience could be good at whichever resource has it now
  if (catalog.resources.get(grant.resource)?.audience !== grant.audience) {
    throw refused(`${grant.resource} has another audience than this grant. Ask for access again.`)
  }
  const role = catalog.roles.get(grant.role)
  const current = role?.resource === grant.resource ? role.scopes : []
  const scopes = grant.scopes.filter((scope) => current.includes(scope))
  if (scopes.length === 0) {
    throw refused(`The role ${grant.role} has none of this grant's scopes any more.`)
  }
  refuseUnboundProof(catalog, grant)
  return scopes
}

/** A policy that wants bound tokens gets none at all rather than bearer tokens. */
function refuseUnboundProof(catalog: Catalog, grant: MintableGrant): void {
  const policy = catalog.policies.find(({ name }) => name === grant.policy)
  if (policy?.proof !== 'dpop') return
  throw new HallpassError(
    'not_permitted',
    `The policy ${policy.name} wants tokens bound by DPoP, which this release does not mint. Set proof: bearer to allow bearer tokens.`,
    { refusal: refusalOf(grant) },
  )
}

/**
 * The asked scopes, or all that may be minted. Throws `invalid_input` for an empty list, `wider_than_asked` for a
 * scope that the grant lacks, and `not_eligible` for one that the role has lost.
 */
export function chosenScopes(
  grant: MintableGrant,
  mintable: readonly string[],
  asked: readonly string[] | undefined,
): readonly string[] {
  if (asked === undefined) return mintable
  if (asked.length === 0) {
    throw new HallpassError('invalid_input', 'Name at least one scope, or leave scopes out.', {
      errors: [{ pointer: '/scopes', message: 'must name at least one scope' }],
    })
  }
  const foreign = asked.filter((scope) => !grant.scopes.includes(scope))
  if (foreign.length > 0) {
    throw new HallpassError(
      'wider_than_asked',
      `This grant has only ${grant.scopes.join(', ')}. Ask for no other scope.`,
      { refusal: refusalOf(grant) },
    )
  }
  if (asked.some((scope) => !mintable.includes(scope))) {
    throw new HallpassError(
      'not_eligible',
      `The role ${grant.role} now gives only ${mintable.join(', ')} of this grant.`,
      { refusal: refusalOf(grant) },
    )
  }
  return mintable.filter((scope) => asked.includes(scope))
}

function refusalOf({ id, requestId, subject, resource }: MintableGrant): RefusalFacts {
  return { grantId: id, requestId, subject, resource }
}
