import { sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { revocationTable } from '../database/schema/grants.ts'

/** What verifiers are told to refuse from now on. */
export interface Revocation {
  readonly kind: 'grant' | 'token' | 'subject' | 'resource'
  /** The grant's id, the token's jti, the subject or the resource's name. */
  readonly target: string
  /** Whose verifiers need to know; null means every resource. */
  readonly resource: string | null
  /** The latest `exp` of any token that it can concern. */
  readonly forgetAt: Date
}

/** Replicas listen here. The payload is revocation ids, separated by spaces, or `reload`. */
export const revocationChannel = 'hallpass_revocations'
/** Instead of ids that do not fit: read the whole live set. */
export const reloadPayload = 'reload'
/** Postgres refuses a NOTIFY payload of 8,000 bytes or more. */
const longestPayload = 7_900

/**
 * Writes one revocation in the caller's transaction and announces it with one NOTIFY, which leaves at commit. One that nothing
 * could need any more (`forgetAt` is past) is not written.
 */
export async function writeRevocation(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock' | 'ids'>,
  revocation: Revocation,
  at: Date = ctx.clock.now(),
): Promise<void> {
  await writeRevocations(tx, ctx, [revocation], at)
}

/** The same for several at once: as many rows, still one NOTIFY. */
export async function writeRevocations(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock' | 'ids'>,
  revocations: readonly Revocation[],
  at: Date = ctx.clock.now(),
): Promise<void> {
  const rows = revocations
    .filter(({ forgetAt }) => forgetAt.getTime() > at.getTime())
    .map((revocation) => ({ ...revocation, id: ctx.ids.next('rvk'), at }))
  if (rows.length === 0) return
  await tx.db.insert(revocationTable).values(rows)
  const ids = rows.map(({ id }) => id).join(' ')
  const payload = ids.length > longestPayload ? reloadPayload : ids
  await tx.db.execute(sql`select pg_notify(${revocationChannel}, ${payload})`)
}
