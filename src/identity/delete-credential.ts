import { and, eq, isNull } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { clientCredentialTable, sessionTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { emitEvent } from '../notify/index.ts'
import { operate } from '../operation.ts'
import type { CredentialOwner } from './credential-right.ts'
import { requireCredentialRight } from './require-credential-right.ts'

/** Deletes a credential: it is refused from the commit on, and the sessions it opened end with it. */
export async function deleteCredential(
  ctx: OperationContext,
  input: { readonly owner: CredentialOwner; readonly clientId: string },
): Promise<void> {
  const { owner, clientId } = input
  await operate(ctx, 'delete-credential', async (tx) => {
    await requireCredentialRight(tx.db, ctx, owner)
    const now = ctx.clock.now()
    const deleted = await tx.db
      .update(clientCredentialTable)
      .set({ deletedAt: now })
      .where(
        and(
          eq(clientCredentialTable.clientId, clientId),
          eq(clientCredentialTable.ownerKind, owner.kind),
          eq(clientCredentialTable.ownerName, owner.name),
          isNull(clientCredentialTable.deletedAt),
        ),
      )
      .returning({ clientId: clientCredentialTable.clientId })
    if (deleted.length === 0) {
      throw new HallpassError('not_found', 'There is no such credential, or it was deleted before.')
    }
    await tx.db
      .update(sessionTable)
      .set({ endedAt: now })
      .where(
        and(
          eq(sessionTable.authenticatedBy, `client_secret:${clientId}`),
          isNull(sessionTable.endedAt),
        ),
      )
    await appendEntry(tx, ctx, {
      action: 'delete-credential',
      outcome: 'ok',
      ...(owner.kind === 'resource'
        ? { resource: owner.name }
        : { subject: `workload:${owner.name}` }),
      details: { client_id: clientId },
    })
    await emitEvent(tx, ctx, {
      type: 'credential.deleted',
      orderKey: clientId,
      data: { client_id: clientId, [owner.kind]: owner.name, by: ctx.actor.id },
    })
  })
}
