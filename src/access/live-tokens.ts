import { and, asc, eq, gt, max, type SQL } from 'drizzle-orm'
import type { Transaction } from '../database/index.ts'
import { issuedTokenTable } from '../database/schema/grants.ts'

/** A token that was minted and has not expired; it may have been taken back already. */
export interface LiveToken {
  readonly jti: string
  readonly expiresAt: Date
}

/** The live tokens of one grant. Hold the grant's row, or one may be minted meanwhile. */
export async function liveTokensOf(
  tx: Transaction,
  grantId: string,
  now: Date,
): Promise<readonly LiveToken[]> {
  return tx.db
    .select({ jti: issuedTokenTable.jti, expiresAt: issuedTokenTable.expiresAt })
    .from(issuedTokenTable)
    .where(and(eq(issuedTokenTable.grantId, grantId), gt(issuedTokenTable.expiresAt, now)))
    .orderBy(asc(issuedTokenTable.jti))
}

/**
 * When the last live token of a grant, a subject or a resource expires; null when there is none. Hold what
 * minting for it takes.
 */
export async function latestExpiry(
  tx: Transaction,
  of: { readonly kind: 'grant' | 'subject' | 'resource'; readonly target: string },
  now: Date,
): Promise<Date | null> {
  const columns = {
    grant: issuedTokenTable.grantId,
    subject: issuedTokenTable.subject,
    resource: issuedTokenTable.resource,
  }
  const isConcerned: SQL = eq(columns[of.kind], of.target)
  const [row] = await tx.db
    .select({ latest: max(issuedTokenTable.expiresAt) })
    .from(issuedTokenTable)
    .where(and(isConcerned, gt(issuedTokenTable.expiresAt, now)))
  return row?.latest ?? null
}
