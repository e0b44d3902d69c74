import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { HallpassError, type RefusalFacts } from '../errors.ts'
import { type CredentialOwner, isKnownOwner, mayManageCredentials } from './credential-right.ts'
import { actorFacts } from './subject-facts.ts'

/**
 * Throws `not_permitted` unless the actor may manage these credentials. Who may not learns nothing of what
 * exists; an admin who names something unknown gets `not_found`.
 */
export async function requireCredentialRight(
  db: Queryable,
  ctx: OperationContext,
  owner: CredentialOwner,
): Promise<void> {
  const [actor, catalog] = [await actorFacts(db, ctx), await catalogInForce(db)]
  if (!mayManageCredentials(catalog, owner, actor)) {
    throw new HallpassError(
      'not_permitted',
      owner.kind === 'resource'
        ? "Only the resource's owners and admins manage its credentials. Ask one of them."
        : "Only members of the workload's owner group and admins manage its credentials. Ask one of them.",
      {
        refusal: isKnownOwner(catalog, owner) ? factsOf(owner) : {},
      },
    )
  }
  if (!isKnownOwner(catalog, owner)) {
    throw new HallpassError('not_found', `The catalog in force has no such ${owner.kind}.`)
  }
}

/** For the audit log; a name that nobody knows may be a secret in the wrong place. */
function factsOf({ kind, name }: CredentialOwner): RefusalFacts {
  return kind === 'resource' ? { resource: name } : { subject: `workload:${name}` }
}
