import { eq } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { subjectTable } from '../database/schema/identity.ts'
import { subjectKind } from './subject.ts'

/** Makes sure that the subject has a row, so that it can be referred to and locked. */
export async function ensureSubject(
  tx: Transaction,
  ctx: Pick<Services, 'clock'>,
  id: string,
): Promise<void> {
  await tx.db
    .insert(subjectTable)
    .values({ id, kind: subjectKind(id), createdAt: ctx.clock.now() })
    .onConflictDoNothing()
}

/**
 * Locks the subject's row to the end of the transaction: `share` to open a grant, mint or sign in, `update`
 * to end everything it has. Lock order everywhere: subject, resource, request, grant.
 */
export async function lockSubject(
  tx: Transaction,
  id: string,
  mode: 'share' | 'update',
): Promise<{ readonly isDisabled: boolean }> {
  const [row] = await tx.db
    .select({ isDisabled: subjectTable.isDisabled })
    .from(subjectTable)
    .where(eq(subjectTable.id, id))
    .for(mode)
  if (row === undefined) throw new Error('a subject must be ensured before it is locked')
  return row
}
