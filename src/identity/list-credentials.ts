import { and, desc, eq, isNull } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { clientCredentialTable } from '../database/schema/identity.ts'
import type { CredentialOwner } from './credential-right.ts'
import { requireCredentialRight } from './require-credential-right.ts'

export interface CredentialView {
  readonly clientId: string
  readonly createdAt: Date
  readonly createdBy: string
  /** To the minute. */
  readonly lastUsedAt: Date | null
}

/** The live credentials of a resource or a workload, newest first; for who may manage them. */
export async function listCredentials(
  ctx: OperationContext,
  owner: CredentialOwner,
): Promise<readonly CredentialView[]> {
  return ctx.database.read(async (db) => {
    await requireCredentialRight(db, ctx, owner)
    return db
      .select({
        clientId: clientCredentialTable.clientId,
        createdAt: clientCredentialTable.createdAt,
        createdBy: clientCredentialTable.createdBy,
        lastUsedAt: clientCredentialTable.lastUsedAt,
      })
      .from(clientCredentialTable)
      .where(
        and(
          eq(clientCredentialTable.ownerKind, owner.kind),
          eq(clientCredentialTable.ownerName, owner.name),
          isNull(clientCredentialTable.deletedAt),
        ),
      )
      .orderBy(desc(clientCredentialTable.createdAt), desc(clientCredentialTable.clientId))
  })
}
