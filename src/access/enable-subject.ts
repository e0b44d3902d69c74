import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { setDisabled } from '../identity/index.ts'
import { emitEvent } from '../notify/index.ts'
import { operate } from '../operation.ts'
import { checkedReason } from './end-reason.ts'
import { type EndedSubject, lockAccounts } from './end-subject.ts'

/**
 * Lets a disabled subject sign in, ask, review and mint again. Nothing that ended comes back. Enabling one that
 * is enabled changes nothing. Admins and operators.
 */
export async function enableSubject(
  ctx: OperationContext,
  input: { readonly subject: string; readonly reason: string },
): Promise<EndedSubject> {
  const reason = checkedReason(input.reason)
  const { kind, id, via } = ctx.actor
  return operate(ctx, 'enable-subject', async (tx) => {
    for (const subject of await lockAccounts(tx, ctx, input.subject)) {
      if (!(await setDisabled(tx, ctx, subject, null))) continue
      await appendEntry(tx, ctx, {
        action: 'enable-subject',
        outcome: 'ok',
        subject,
        details: { reason },
      })
      await emitEvent(tx, ctx, {
        type: 'subject.enabled',
        orderKey: subject,
        data: { subject, reason, actor: { kind, id, via } },
      })
    }
    return { grantsRevoked: 0 }
  })
}
