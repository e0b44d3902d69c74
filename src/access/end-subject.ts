import { eq } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import { accountsOf, type Catalog } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { subjectTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { endSessionsOf, ensureSubject, lockSubject } from '../identity/index.ts'
import { cancelRequestsOf } from './cancel-requests-of.ts'
import { endLiveGrants } from './end-live-grants.ts'
import { mayGovernSubjects } from './grant-rights.ts'
import { isNamedIn, subjectIdOf } from './known-subject.ts'
import { revokeAllTokens } from './revoke-all-tokens.ts'
import { standingOf } from './standing.ts'

/** What ending a subject took away. */
export interface EndedSubject {
  readonly grantsRevoked: number
}

/**
 * Locks every account of the human behind a subject for an admin or operator, by id: `people` are one person
 * everywhere. Throws `not_permitted`, and `not_found` for a subject that was never seen and is named nowhere,
 * so that a misspelt name is no false comfort.
 */
export async function lockAccounts(
  tx: Transaction,
  ctx: OperationContext,
  written: string,
): Promise<readonly string[]> {
  const subjectId = subjectIdOf(written)
  const { catalog, standing } = await standingOf(tx.db, ctx)
  const isKnownSubject = await isKnown(tx.db, catalog, subjectId)
  if (!mayGovernSubjects(catalog, standing)) {
    throw new HallpassError('not_permitted', 'Only admins may act on a whole subject.', {
      refusal: isKnownSubject ? { subject: subjectId } : {},
    })
  }
  if (!isKnownSubject) {
    throw new HallpassError(
      'not_found',
      'There is no such subject. Check the spelling; a workload is `workload:NAME`.',
    )
  }
  const accounts = accountsOf(catalog, subjectId)
  for (const account of accounts) {
    await ensureSubject(tx, ctx, account)
    await lockSubject(tx, account, 'update')
  }
  return accounts
}

async function isKnown(db: Queryable, catalog: Catalog, subjectId: string): Promise<boolean> {
  if (isNamedIn(catalog, subjectId)) return true
  const [row] = await db
    .select({ id: subjectTable.id })
    .from(subjectTable)
    .where(eq(subjectTable.id, subjectId))
  return row !== undefined
}

/**
 * Ends all that locked accounts have: requests, grants, sessions, codes and tokens. `details` of the audit entry
 * say how much.
 */
export async function endAccounts(
  tx: Transaction,
  ctx: OperationContext,
  accounts: readonly string[],
  ending: { readonly action: string; readonly reason: string },
  now: Date,
): Promise<EndedSubject> {
  let grantsRevoked = 0
  for (const subject of accounts) {
    const cancelled = await cancelRequestsOf(tx, ctx, subject, ending, now)
    const revoked = await endLiveGrants(tx, ctx, { subject }, ending, now)
    const sessions = await endSessionsOf(tx, ctx, subject)
    await revokeAllTokens(tx, ctx, { kind: 'subject', target: subject }, now)
    await appendEntry(tx, ctx, {
      action: ending.action,
      outcome: 'ok',
      subject,
      details: {
        reason: ending.reason,
        grants_revoked: revoked,
        requests_cancelled: cancelled,
        sessions_ended: sessions,
      },
    })
    grantsRevoked += revoked
  }
  return { grantsRevoked }
}
