import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { changeGrant } from './change-grant.ts'
import type { Grant } from './grant.ts'
import { emitGrantEvent } from './grant-events.ts'
import { grantFacts } from './grant-refusals.ts'

/** Stores that a scheduled grant has started, which is due; it could be used since its time, stored or not. */
export async function startLockedGrant(
  tx: Transaction,
  ctx: OperationContext,
  grant: Grant,
): Promise<Grant> {
  const started = await changeGrant(tx, grant, { state: 'active' })
  await appendEntry(tx, ctx, { action: 'start-grants', outcome: 'ok', ...grantFacts(grant) })
  await emitGrantEvent(tx, ctx, 'grant.started', started)
  return started
}
