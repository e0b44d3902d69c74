import { appendEntry } from './audit/index.ts'
import type { OperationContext } from './context.ts'
import {
  beginIdempotent,
  completeIdempotent,
  type Queryable,
  type Transaction,
} from './database/index.ts'
import { HallpassError, OAuthError, type RefusalFacts } from './errors.ts'

/**
 * Runs one operation in one transaction: claims the Idempotency-Key, does the work, keeps the answer for
 * a repetition. A refusal that carries `refusal` rolls the work back and is then audited by itself.
 *
 * The output must be complete when `work` returns: what is rendered for a repetition is exactly that.
 */
export async function operate<T>(
  ctx: OperationContext,
  action: string,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  try {
    return await ctx.database.transaction(async (tx) => {
      const call = ctx.idempotency
      if (call !== undefined) await beginIdempotent(tx, call, ctx.clock.now())
      const output = await work(tx)
      if (call !== undefined) await completeIdempotent(tx, call, output, ctx.clock.now())
      return output
    })
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal !== undefined) await auditRefusal(ctx, action, refusal)
    throw error
  }
}

/**
 * Runs an analysis that stores nothing: a plain read, or, where the call carries an Idempotency-Key, an operation
 * whose answer is kept for a repetition.
 */
export async function look<T>(
  ctx: OperationContext,
  action: string,
  work: (db: Queryable) => Promise<T>,
): Promise<T> {
  if (ctx.idempotency === undefined) return ctx.database.read(work)
  return operate(ctx, action, (tx) => work(tx.db))
}

/** Refuses to decide while this replica's clock is more than 2 s from the database's, or unmeasured. */
export function requireTrustedClock(ctx: Pick<OperationContext, 'clockMonitor'>): void {
  if (ctx.clockMonitor.isTrusted()) return
  throw new HallpassError(
    'cannot_decide',
    'This broker cannot trust its clock (more than 2 s from the database), so it decides nothing. An operator must correct the time; try again later.',
  )
}

function refusalOf(error: unknown): { code: string; facts: RefusalFacts } | undefined {
  if (error instanceof HallpassError && error.options.refusal !== undefined) {
    return { code: error.code, facts: error.options.refusal }
  }
  if (error instanceof OAuthError && error.refusal !== undefined) {
    return { code: error.code, facts: error.refusal }
  }
  return undefined
}

async function auditRefusal(
  ctx: OperationContext,
  action: string,
  refusal: { code: string; facts: RefusalFacts },
): Promise<void> {
  await ctx.database.transaction((tx) =>
    appendEntry(tx, ctx, {
      action,
      outcome: 'refused',
      code: refusal.code,
      ...refusal.facts,
    }),
  )
}
