import { and, eq, gt, max } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { issuedTokenTable } from '../database/schema/grants.ts'
import { operate } from '../operation.ts'
import { lockSigningKeys, moveStoredKey, requireKeyKeeper, signingKeys } from './key-store.ts'
import { isRetirementDue } from './signing-key.ts'

/**
 * Takes retiring keys out of the key set once the last token they signed has ended, and forgets their private
 * parts. Returns their kids.
 */
export async function retireKeys(ctx: OperationContext): Promise<readonly string[]> {
  requireKeyKeeper(ctx)
  const waiting = await ctx.database.read((db) => signingKeys(db, ['retiring']))
  if (waiting.length === 0) return []
  return operate(ctx, 'retire-keys', async (tx) => {
    await lockSigningKeys(tx, 'update')
    const now = ctx.clock.now()
    const retired: string[] = []
    for (const key of await signingKeys(tx.db, ['retiring'])) {
      const [last] = await tx.db
        .select({ endsAt: max(issuedTokenTable.expiresAt) })
        .from(issuedTokenTable)
        .where(and(eq(issuedTokenTable.kid, key.kid), gt(issuedTokenTable.expiresAt, now)))
      if (!isRetirementDue(last?.endsAt ?? null, now)) continue
      await moveStoredKey(tx, ctx, key, 'retire')
      retired.push(key.kid)
    }
    if (retired.length > 0) {
      await appendEntry(tx, ctx, {
        action: 'retire-keys',
        outcome: 'ok',
        details: { kids: retired },
      })
    }
    return retired
  })
}
