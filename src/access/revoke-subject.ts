import type { OperationContext } from '../context.ts'
import { operate } from '../operation.ts'
import { checkedReason } from './end-reason.ts'
import { type EndedSubject, endAccounts, lockAccounts } from './end-subject.ts'
import { timeOfEnding } from './time-of-ending.ts'

/**
 * Ends everything of a person (under all their accounts) or a workload in one transaction: pending requests,
 * grants, sessions and tokens. It may sign in and ask again. Admins and operators.
 */
export async function revokeSubject(
  ctx: OperationContext,
  input: { readonly subject: string; readonly reason: string },
): Promise<EndedSubject> {
  const reason = checkedReason(input.reason)
  return operate(ctx, 'revoke-subject', async (tx) => {
    const accounts = await lockAccounts(tx, ctx, input.subject)
    const now = await timeOfEnding(tx, ctx)
    return endAccounts(tx, ctx, accounts, { action: 'revoke-subject', reason }, now)
  })
}
