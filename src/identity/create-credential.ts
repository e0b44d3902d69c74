import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { clientCredentialTable } from '../database/schema/identity.ts'
import { emitEvent } from '../notify/index.ts'
import { operate } from '../operation.ts'
import type { CredentialOwner } from './credential-right.ts'
import { requireCredentialRight } from './require-credential-right.ts'
import { hashSecret } from './secret.ts'

/** The secret is here and nowhere else: it cannot be shown again. */
export interface CreatedCredential {
  readonly clientId: string
  readonly clientSecret: string
}

/**
 * Makes a credential of 256 random bits for a resource or a workload and keeps its SHA-256. A call that is
 * repeated with its Idempotency-Key must be answered without the secret (`secret_already_shown`).
 */
export async function createCredential(
  ctx: OperationContext,
  owner: CredentialOwner,
): Promise<CreatedCredential> {
  return operate(ctx, 'create-credential', async (tx) => {
    await requireCredentialRight(tx.db, ctx, owner)
    // catalog names hold no tilde, so a credential is never taken for a workload or a client
    const clientId = `${owner.name}~${ctx.ids.secret().slice(0, 16)}`
    const clientSecret = `hpk_${ctx.ids.secret()}`
    await tx.db.insert(clientCredentialTable).values({
      clientId,
      ownerKind: owner.kind,
      ownerName: owner.name,
      secretHash: hashSecret(clientSecret),
      createdAt: ctx.clock.now(),
      createdBy: ctx.actor.id,
    })
    await appendEntry(tx, ctx, {
      action: 'create-credential',
      outcome: 'ok',
      ...(owner.kind === 'resource'
        ? { resource: owner.name }
        : { subject: `workload:${owner.name}` }),
      details: { client_id: clientId },
    })
    await emitEvent(tx, ctx, {
      type: 'credential.created',
      orderKey: clientId,
      data: { client_id: clientId, [owner.kind]: owner.name, by: ctx.actor.id },
    })
    return { clientId, clientSecret }
  })
}
