import { and, eq, isNull } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { sessionTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'

/** Ends one of the actor's own sessions, at once and on every replica. Another's is `not_found`. */
export async function endSession(ctx: OperationContext, sessionId: string): Promise<void> {
  await operate(ctx, 'end-session', async (tx) => {
    const ended = await tx.db
      .update(sessionTable)
      .set({ endedAt: ctx.clock.now() })
      .where(
        and(
          eq(sessionTable.id, sessionId),
          eq(sessionTable.subject, ctx.actor.id),
          isNull(sessionTable.endedAt),
        ),
      )
      .returning({ id: sessionTable.id })
    if (ended.length === 0) {
      throw new HallpassError('not_found', 'You have no such session, or it has ended.')
    }
    await appendEntry(tx, ctx, {
      action: 'end-session',
      outcome: 'ok',
      subject: ctx.actor.id,
      details: { session_id: sessionId },
    })
  })
}

/** Ends the session that the actor came by. */
export async function signOut(ctx: OperationContext): Promise<void> {
  const { sessionId } = ctx.actor
  if (sessionId === undefined) {
    throw new HallpassError('unauthenticated', 'There is no session to end. Sign in first.')
  }
  await endSession(ctx, sessionId)
}
