import { and, eq, isNull } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import { catalogInForce } from '../catalog/index.ts'
import type { Actor, OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { authorizationCodeTable, sessionTable } from '../database/schema/identity.ts'
import { OAuthError } from '../errors.ts'
import { operate } from '../operation.ts'
import { clientTitle, commandLineClient } from './authorization-request.ts'
import { type CodeRedemption, judgeRedemption, type RedemptionOutcome } from './code-redemption.ts'
import { type CreatedSession, createSession } from './create-session.ts'
import { lockSubject } from './lock-subject.ts'
import { hashSecret } from './secret.ts'

const action = 'redeem-authorization-code'

type Redeemed =
  | { readonly outcome: 'good'; readonly session: CreatedSession }
  | { readonly outcome: Exclude<RedemptionOutcome, 'good'>; readonly subject: string }

/**
 * Turns an authorization code into a session token of the person who agreed. One use: any failed try burns the
 * code, and a second redemption ends the session of the first (RFC 6749 §4.1.2). Throws OAuthError
 * `invalid_grant`, audited.
 */
export async function redeemAuthorizationCode(
  ctx: OperationContext,
  redemption: CodeRedemption & {
    readonly clientAddress?: string | undefined
    readonly userAgent?: string | undefined
  },
): Promise<CreatedSession> {
  const codeHash = hashSecret(redemption.code)
  const found = await ctx.database.read((db) =>
    db
      .select({ subject: authorizationCodeTable.subject })
      .from(authorizationCodeTable)
      .where(eq(authorizationCodeTable.codeHash, codeHash)),
  )
  const subject = found[0]?.subject
  if (subject === undefined) return refuse(ctx, undefined)
  // what a failed try changes must be committed, so the refusal comes after this transaction
  const redeemed = await operate(ctx, action, (tx) =>
    redeem(tx, ctx, { ...redemption, codeHash, subject }),
  )
  return redeemed.outcome === 'good' ? redeemed.session : refuse(ctx, redeemed)
}

async function redeem(
  tx: Transaction,
  ctx: OperationContext,
  input: Parameters<typeof redeemAuthorizationCode>[1] & {
    readonly codeHash: Buffer
    readonly subject: string
  },
): Promise<Redeemed> {
  const { subject } = input
  // the subject's row first: ending all its sessions takes the same order
  const { isDisabled } = await lockSubject(tx, subject, 'share')
  const isThisCode = eq(authorizationCodeTable.codeHash, input.codeHash)
  const [stored] = await tx.db.select().from(authorizationCodeTable).where(isThisCode).for('update')
  if (stored === undefined) return { outcome: 'expired', subject }
  const outcome = judgeRedemption(stored, input, ctx.clock.now())
  if (outcome === 'reused') await endSessionOf(tx, ctx, stored.sessionId)
  const isKnownClient = clientTitle(await catalogInForce(tx.db), stored.clientId) !== undefined
  if (outcome !== 'good' || isDisabled || !isKnownClient) {
    await tx.db
      .update(authorizationCodeTable)
      .set({ usedAt: stored.usedAt ?? ctx.clock.now() })
      .where(isThisCode)
    return { outcome: outcome === 'good' ? 'mismatch' : outcome, subject }
  }
  const via = stored.clientId === commandLineClient ? 'cli' : 'api'
  const session = await createSession(tx, ctx, {
    subject,
    via,
    authenticatedBy: `authorization_code:${stored.clientId}`,
    clientAddress: input.clientAddress,
    userAgent: input.userAgent,
  })
  await tx.db
    .update(authorizationCodeTable)
    .set({ usedAt: ctx.clock.now(), sessionId: session.sessionId })
    .where(isThisCode)
  const actor: Actor = { kind: 'person', id: subject, via, sessionId: session.sessionId }
  await appendEntry(
    tx,
    { ...ctx, actor },
    { action, outcome: 'ok', subject, details: { client_id: stored.clientId } },
  )
  return { outcome, session }
}

async function endSessionOf(
  tx: Transaction,
  ctx: OperationContext,
  sessionId: string | null,
): Promise<void> {
  if (sessionId === null) return
  await tx.db
    .update(sessionTable)
    .set({ endedAt: ctx.clock.now() })
    .where(and(eq(sessionTable.id, sessionId), isNull(sessionTable.endedAt)))
}

async function refuse(
  ctx: OperationContext,
  failed: { readonly outcome: string; readonly subject: string } | undefined,
): Promise<never> {
  return operate(ctx, action, async () => {
    throw new OAuthError(
      'invalid_grant',
      'This code is not known, was used before, is too old, or belongs to another client, address or verifier. Sign in again.',
      { subject: failed?.subject, details: { reason: failed?.outcome ?? 'unknown' } },
    )
  })
}
