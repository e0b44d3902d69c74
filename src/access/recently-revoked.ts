import { and, eq, gt, max, or } from 'drizzle-orm'
import type { Transaction } from '../database/index.ts'
import { revocationTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'

/**
 * Throws `recently_revoked`, with the seconds to wait, while a revocation of the whole subject or resource lives:
 * it would match a new token too. Hold the subject's row and the resource's lock.
 */
export async function refuseRecentlyRevoked(
  tx: Transaction,
  subject: string,
  resource: string,
  now: Date,
): Promise<void> {
  const [row] = await tx.db
    .select({ until: max(revocationTable.forgetAt) })
    .from(revocationTable)
    .where(
      and(
        gt(revocationTable.forgetAt, now),
        or(
          and(eq(revocationTable.kind, 'subject'), eq(revocationTable.target, subject)),
          and(eq(revocationTable.kind, 'resource'), eq(revocationTable.target, resource)),
        ),
      ),
    )
  const until = row?.until ?? null
  if (until === null) return
  const retryAfterSeconds = Math.ceil((until.getTime() - now.getTime()) / 1000)
  throw new HallpassError(
    'recently_revoked',
    `Everything of this subject or resource was revoked a moment ago. Try again in ${retryAfterSeconds} s.`,
    { retryAfterSeconds, refusal: { subject, resource } },
  )
}
