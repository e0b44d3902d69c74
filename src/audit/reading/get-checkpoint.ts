import { desc } from 'drizzle-orm'
import type { OperationContext } from '../../context.ts'
import { auditCheckpointTable } from '../../database/schema/audit.ts'
import { HallpassError } from '../../errors.ts'
import { operate } from '../../operation.ts'
import { verifierKeyOf } from '../signing-key.ts'
import { requireReader } from './require-reader.ts'

/**
 * The newest signed checkpoint (C2SP tlog-checkpoint), to be kept outside: it says nothing of what the entries
 * hold, so reading it is no entry. For admins and operators. Throws `not_permitted`; `not_found` before the
 * first sealing.
 */
export async function getCheckpoint(ctx: OperationContext): Promise<string> {
  return operate(ctx, 'read-audit-checkpoint', async (tx) => {
    await requireReader(tx.db, ctx)
    const [newest] = await tx.db
      .select({ note: auditCheckpointTable.note })
      .from(auditCheckpointTable)
      .orderBy(desc(auditCheckpointTable.size))
      .limit(1)
    return newest?.note ?? notSealedYet()
  })
}

/** The key that verifies every checkpoint, as C2SP signed-note writes it. The same people may read it. */
export async function getVerifierKey(ctx: OperationContext): Promise<string> {
  return operate(ctx, 'read-audit-checkpoint', async (tx) => {
    await requireReader(tx.db, ctx)
    return (await verifierKeyOf(tx.db)) ?? notSealedYet()
  })
}

function notSealedYet(): never {
  throw new HallpassError('not_found', 'Nothing was sealed yet. Ask again in a second.')
}
