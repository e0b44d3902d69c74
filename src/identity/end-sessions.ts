import { and, eq, gt, isNull } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { authorizationCodeTable, sessionTable } from '../database/schema/identity.ts'

/**
 * Ends every session of a subject, and every authorization code that could still become one. Returns how many
 * sessions ended. The caller holds the subject's row, or a sign-in under way could slip past.
 */
export async function endSessionsOf(
  tx: Transaction,
  ctx: Pick<Services, 'clock'>,
  subjectId: string,
): Promise<number> {
  const now = ctx.clock.now()
  await tx.db
    .update(authorizationCodeTable)
    .set({ usedAt: now })
    .where(
      and(eq(authorizationCodeTable.subject, subjectId), isNull(authorizationCodeTable.usedAt)),
    )
  const ended = await tx.db
    .update(sessionTable)
    .set({ endedAt: now })
    .where(
      and(
        eq(sessionTable.subject, subjectId),
        isNull(sessionTable.endedAt),
        gt(sessionTable.expiresAt, now),
      ),
    )
    .returning({ id: sessionTable.id })
  return ended.length
}
