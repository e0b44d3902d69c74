import { and, asc, eq, gt, inArray } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { changeRequest } from './change-request.ts'
import { requestOf } from './load-request.ts'
import type { AccessRequest } from './request.ts'
import { emitRequestEvent } from './request-events.ts'

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
  const requests = await lockWaiting(tx, subject, now)
  const orderKeys = await orderKeysOf(tx, requests)
  for (const request of requests) {
    const { id: requestId, resource } = request
    const cancelled = await changeRequest(tx, request, { state: 'cancelled', decidedAt: now })
    const details = { reason: ending.reason }
    const entry = { outcome: 'ok', subject, resource, requestId, details } as const
    await appendEntry(tx, ctx, { action: ending.action, ...entry })
    const orderKey = orderKeys.get(requestId) ?? requestId
    await emitRequestEvent(tx, ctx, 'request.cancelled', cancelled, orderKey, details)
  }
  return requests.length
}

async function lockWaiting(
  tx: Transaction,
  subject: string,
  now: Date,
): Promise<readonly AccessRequest[]> {
  const { answerBy, id, state } = accessRequestTable
  const rows = await tx.db
    .select()
    .from(accessRequestTable)
    .where(and(eq(accessRequestTable.subject, subject), eq(state, 'pending'), gt(answerBy, now)))
    .orderBy(asc(id))
    .for('update')
  return rows.map(requestOf)
}

/** Extensions are told in the order of the request that opened their grant. */
async function orderKeysOf(
  tx: Transaction,
  requests: readonly AccessRequest[],
): Promise<ReadonlyMap<string, string>> {
  const grantIds = requests.flatMap(({ extendsGrantId }) => extendsGrantId ?? [])
  if (grantIds.length === 0) return new Map()
  const { id, requestId } = accessGrantTable
  const grants = await tx.db
    .select({ id, requestId })
    .from(accessGrantTable)
    .where(inArray(id, grantIds))
  const openers = new Map(grants.map((grant) => [grant.id, grant.requestId]))
  return new Map(
    requests.flatMap((request) => {
      const opener = openers.get(request.extendsGrantId ?? '')
      return opener === undefined ? [] : [[request.id, opener] as const]
    }),
  )
}
