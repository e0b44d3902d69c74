import { and, asc, eq, gt } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { emitEvent } from '../notify/index.ts'

/**
 * Cancels every request of a subject that still waits for its reviewers. One whose time to answer has passed is
 * left to expire. The caller holds the subject's row and checked the right. Returns how many.
 */
export async function cancelRequestsOf(
  tx: Transaction,
  ctx: OperationContext,
  subject: string,
  ending: { readonly action: string; readonly reason: string },
  now: Date,
): Promise<number> {
  const isWaiting = and(
    eq(accessRequestTable.subject, subject),
    eq(accessRequestTable.state, 'pending'),
    gt(accessRequestTable.answerBy, now),
  )
  const waiting = await tx.db
    .select()
    .from(accessRequestTable)
    .where(isWaiting)
    .orderBy(asc(accessRequestTable.id))
    .for('update')
  for (const request of waiting) {
    await tx.db
      .update(accessRequestTable)
      .set({ state: 'cancelled', decidedAt: now, version: request.version + 1 })
      .where(and(isWaiting, eq(accessRequestTable.id, request.id)))
    const { id, resource, role } = request
    const details = { reason: ending.reason }
    await appendEntry(tx, ctx, {
      action: ending.action,
      outcome: 'ok',
      subject,
      resource,
      requestId: id,
      details,
    })
    await emitEvent(tx, ctx, {
      type: 'request.cancelled',
      orderKey: id,
      data: {
        request_id: id,
        subject,
        resource,
        role,
        actor: { kind: ctx.actor.kind, id: ctx.actor.id },
        reason: ending.reason,
      },
    })
  }
  return waiting.length
}
