import { and, eq } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { subjectTable } from '../database/schema/identity.ts'

/**
 * Disables a subject for a reason, or enables it again (null). Returns whether that changed anything. The caller
 * holds the subject's row, checked the right to do so, and ends what the subject has.
 */
export async function setDisabled(
  tx: Transaction,
  ctx: Pick<Services, 'clock'>,
  subjectId: string,
  reason: string | null,
): Promise<boolean> {
  const isDisabled = reason !== null
  const changed = await tx.db
    .update(subjectTable)
    .set({ isDisabled, disabledAt: isDisabled ? ctx.clock.now() : null, disabledReason: reason })
    .where(and(eq(subjectTable.id, subjectId), eq(subjectTable.isDisabled, !isDisabled)))
    .returning({ id: subjectTable.id })
  return changed.length > 0
}
