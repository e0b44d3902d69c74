import type { Catalog } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import type { Grant } from './grant.ts'
import { grantFacts, grantNotFound } from './grant-refusals.ts'
import { type GrantRights, rightsOver, type Standing } from './grant-rights.ts'
import { lockGrant } from './lock-grant.ts'
import { standingOf } from './standing.ts'

const refusals: Record<
  Exclude<keyof GrantRights, 'canSee'>,
  { readonly code: 'not_holder' | 'not_permitted'; readonly message: string }
> = {
  isHolder: { code: 'not_holder', message: 'Only the holder of this grant may do that.' },
  canRevoke: {
    code: 'not_permitted',
    message:
      "Only the resource's owners, admins and reviewers of the grant's policy may revoke it. Its holder may release it.",
  },
  canSuspend: {
    code: 'not_permitted',
    message:
      "Only the resource's owners, admins and reviewers of the grant's policy may suspend it.",
  },
  canResume: {
    code: 'not_permitted',
    message: "Only the resource's owners and admins may resume a grant, and never its holder.",
  },
}

/**
 * Locks a grant for an actor that has this right over it. Throws `not_found` to those who may not see it, and
 * `not_holder` or `not_permitted` to those who may; both are audited.
 */
export async function lockGrantAs(
  tx: Transaction,
  ctx: OperationContext,
  grantId: string,
  right: Exclude<keyof GrantRights, 'canSee'>,
): Promise<Grant> {
  return (await lockGrantUnder(tx, ctx, grantId, right)).grant
}

/** The same, with the catalog that it was judged under. */
export async function lockGrantUnder(
  tx: Transaction,
  ctx: OperationContext,
  grantId: string,
  right: Exclude<keyof GrantRights, 'canSee'>,
): Promise<{ readonly grant: Grant; readonly catalog: Catalog; readonly standing: Standing }> {
  const { catalog, standing } = await standingOf(tx.db, ctx)
  const grant = await lockGrant(tx, grantId)
  const rights = rightsOver(catalog, standing, grant)
  if (rights[right]) return { grant, catalog, standing }
  if (!rights.canSee) throw grantNotFound(grant)
  const { code, message } = refusals[right]
  throw new HallpassError(code, message, { refusal: grantFacts(grant) })
}
