import { lt } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import {
  authorizationCodeTable,
  clientAssertionTable,
  sessionTable,
  signInTable,
} from '../database/schema/identity.ts'

/** Ended sessions stay this long, so that "which session was that" can be answered. */
const keptSessionMilliseconds = 30 * 24 * 60 * 60 * 1000
/** A redeemed code stays while the session it made may live: a second use must end that. */
const keptCodeMilliseconds = 24 * 60 * 60 * 1000

/** Removes sign-ins, codes, assertions and sessions that can decide nothing any more; returns how many rows. */
export async function forgetEndedIdentityRows(
  tx: Transaction,
  ctx: Pick<Services, 'clock'>,
): Promise<number> {
  const now = ctx.clock.now().getTime()
  const before = (milliseconds: number) => new Date(now - milliseconds)
  const results = [
    await tx.db.delete(signInTable).where(lt(signInTable.expiresAt, before(0))),
    await tx.db.delete(clientAssertionTable).where(lt(clientAssertionTable.expiresAt, before(0))),
    await tx.db
      .delete(authorizationCodeTable)
      .where(lt(authorizationCodeTable.expiresAt, before(keptCodeMilliseconds))),
    await tx.db
      .delete(sessionTable)
      .where(lt(sessionTable.expiresAt, before(keptSessionMilliseconds))),
  ]
  return results.reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0)
}
