import { inArray, lte } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { issuedTokenTable } from '../database/schema/grants.ts'
import { operate } from '../operation.ts'
import { requireKeyKeeper } from './key-store.ts'

/** As long as an Idempotency-Key is kept, a mint can be repeated, and activity may name a `jti`. */
const keptSeconds = 24 * 60 * 60
const rowsAtOnce = 10_000

/** Forgets the ids of tokens that expired more than 24 hours ago. Returns how many. For the job. */
export async function forgetTokens(ctx: OperationContext): Promise<number> {
  requireKeyKeeper(ctx)
  const before = new Date(ctx.clock.now().getTime() - keptSeconds * 1000)
  let count = 0
  for (;;) {
    const removed = await operate(ctx, 'forget-tokens', async (tx) => {
      const old = tx.db
        .select({ jti: issuedTokenTable.jti })
        .from(issuedTokenTable)
        .where(lte(issuedTokenTable.expiresAt, before))
        .limit(rowsAtOnce)
      const result = await tx.db.delete(issuedTokenTable).where(inArray(issuedTokenTable.jti, old))
      return result.rowCount ?? 0
    })
    count += removed
    if (removed < rowsAtOnce) return count
  }
}
