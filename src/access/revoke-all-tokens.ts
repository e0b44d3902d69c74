import { and, eq, gte } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { revocationTable } from '../database/schema/grants.ts'
import { latestExpiry } from './live-tokens.ts'
import { writeRevocation } from './write-revocation.ts'

/**
 * Takes back every token of a whole subject or resource with one revocation and one NOTIFY; none when no token
 * lives, or when one that lasts as long is in force. Until it is forgotten nothing is minted for the target.
 * The caller holds what minting takes.
 */
export async function revokeAllTokens(
  tx: Transaction,
  ctx: OperationContext,
  of: { readonly kind: 'subject' | 'resource'; readonly target: string },
  now: Date,
): Promise<void> {
  const forgetAt = await latestExpiry(tx, of, now)
  if (forgetAt === null) return
  const [inForce] = await tx.db
    .select({ id: revocationTable.id })
    .from(revocationTable)
    .where(
      and(
        eq(revocationTable.kind, of.kind),
        eq(revocationTable.target, of.target),
        gte(revocationTable.forgetAt, forgetAt),
      ),
    )
    .limit(1)
  if (inForce !== undefined) return
  const resource = of.kind === 'resource' ? of.target : null
  await writeRevocation(tx, ctx, { ...of, resource, forgetAt }, now)
}
