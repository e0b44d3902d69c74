import { eq } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { grantNotFound } from './grant-refusals.ts'
import { rightsOver } from './grant-rights.ts'
import { type GrantView, grantView, lastUsedAtColumn } from './grant-view.ts'
import { standingOf } from './standing.ts'

/**
 * One grant. Its subject, current reviewers of its policy, the resource's owners, admins, operators and jobs;
 * `not_found` for everyone else.
 */
export async function getGrant(
  ctx: OperationContext,
  input: { readonly grantId: string },
): Promise<GrantView> {
  return ctx.database.read(async (db) => {
    const { catalog, standing } = await standingOf(db, ctx)
    const [row] = await db
      .select({ grant: accessGrantTable, lastUsedAt: lastUsedAtColumn })
      .from(accessGrantTable)
      .where(eq(accessGrantTable.id, input.grantId))
    if (row === undefined || !rightsOver(catalog, standing, row.grant).canSee) throw grantNotFound()
    return grantView(row.grant, row.lastUsedAt, ctx.clock.now())
  })
}
