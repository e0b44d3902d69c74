import type { OperationContext } from '../context.ts'
import { setDisabled } from '../identity/index.ts'
import { emitEvent } from '../notify/index.ts'
import { operate } from '../operation.ts'
import { checkedReason } from './end-reason.ts'
import { type EndedSubject, endAccounts, lockAccounts } from './end-subject.ts'
import { timeOfEnding } from './time-of-ending.ts'

/**
 * Ends everything of a subject as `revokeSubject` does, and refuses it sign-in, ask, review and mint until it is
 * enabled. Doing so again ends what is left. Admins and operators.
 */
export async function disableSubject(
  ctx: OperationContext,
  input: { readonly subject: string; readonly reason: string },
): Promise<EndedSubject> {
  const reason = checkedReason(input.reason)
  const { kind, id, via } = ctx.actor
  return operate(ctx, 'disable-subject', async (tx) => {
    const accounts = await lockAccounts(tx, ctx, input.subject)
    const now = await timeOfEnding(tx, ctx)
    for (const subject of accounts) {
      if (!(await setDisabled(tx, ctx, subject, reason))) continue
      await emitEvent(tx, ctx, {
        type: 'subject.disabled',
        orderKey: subject,
        data: { subject, reason, actor: { kind, id, via } },
      })
    }
    return endAccounts(tx, ctx, accounts, { action: 'disable-subject', reason }, now)
  })
}
