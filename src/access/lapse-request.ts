import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { changeRequest } from './change-request.ts'
import { type AccessRequest, moveRequest } from './request.ts'
import { emitRequestEvent, readOrderKey } from './request-events.ts'

/**
 * Stores that nobody answered a locked request in time. Nothing waits for it: what is over is refused by its
 * time, and what stands in a new ask's way is lapsed by that ask.
 */
export async function lapseRequest(
  tx: Transaction,
  ctx: OperationContext,
  request: AccessRequest,
  now: Date,
): Promise<void> {
  const state = moveRequest(request, 'lapse', now)
  if (state === undefined) throw new Error('a request lapses only when it is due')
  const lapsed = await changeRequest(tx, request, { state, decidedAt: request.answerBy })
  const { id: requestId, subject, resource, extendsGrantId } = request
  await appendEntry(tx, ctx, {
    action: 'expire-requests',
    outcome: 'ok',
    subject,
    resource,
    requestId,
    grantId: extendsGrantId ?? undefined,
  })
  await emitRequestEvent(tx, ctx, 'request.expired', lapsed, await readOrderKey(tx.db, request))
}
