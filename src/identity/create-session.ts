import { and, eq, isNull } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { clientCredentialTable, sessionTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { ensureSubject, lockSubject } from './lock-subject.ts'
import { hashSecret } from './secret.ts'
import {
  type SessionVia,
  secretPrefix,
  sessionLifetimeSeconds,
  workloadSessionSeconds,
} from './session.ts'

export interface NewSession {
  readonly subject: string
  readonly via: SessionVia
  /** How the subject proved itself: `development`, `oidc`, `private_key_jwt`, `client_secret:ID`, … */
  readonly authenticatedBy: string
  readonly clientAddress?: string | undefined
  readonly userAgent?: string | undefined
}

/** The token is known only here and to its bearer; the database keeps its SHA-256. */
export interface CreatedSession {
  readonly accessToken: string
  /** seconds */
  readonly expiresIn: number
  readonly sessionId: string
}

/**
 * Opens a session in the caller's transaction, after sign-in succeeded. Throws `not_permitted` for a disabled
 * subject; the row lock makes a sign-in wait for a disabling that is under way.
 */
export async function createSession(
  tx: Transaction,
  ctx: Pick<Services, 'clock' | 'ids'>,
  session: NewSession,
): Promise<CreatedSession> {
  await ensureSubject(tx, ctx, session.subject)
  const { isDisabled } = await lockSubject(tx, session.subject, 'share')
  if (isDisabled) {
    throw new HallpassError(
      'not_permitted',
      'This subject is disabled. Ask an admin to enable it.',
      {
        refusal: { subject: session.subject },
      },
    )
  }
  await requireLiveCredential(tx, session.authenticatedBy)
  const now = ctx.clock.now()
  const expiresIn =
    session.via === 'client_credentials' ? workloadSessionSeconds : sessionLifetimeSeconds
  const accessToken = `${secretPrefix(session.via)}${ctx.ids.secret()}`
  const sessionId = ctx.ids.next('ses')
  await tx.db.insert(sessionTable).values({
    id: sessionId,
    secretHash: hashSecret(accessToken),
    subject: session.subject,
    via: session.via,
    authenticatedBy: session.authenticatedBy,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: new Date(now.getTime() + expiresIn * 1000),
    clientAddress: session.clientAddress ?? null,
    userAgent: session.userAgent?.slice(0, 400) ?? null,
  })
  return { accessToken, expiresIn, sessionId }
}

/** A session opened by a secret waits for a deletion of that secret under way, and is refused after it. */
async function requireLiveCredential(tx: Transaction, authenticatedBy: string): Promise<void> {
  if (!authenticatedBy.startsWith('client_secret:')) return
  const clientId = authenticatedBy.slice('client_secret:'.length)
  const rows = await tx.db
    .select({ clientId: clientCredentialTable.clientId })
    .from(clientCredentialTable)
    .where(
      and(eq(clientCredentialTable.clientId, clientId), isNull(clientCredentialTable.deletedAt)),
    )
    .for('share')
  if (rows.length === 0) {
    throw new HallpassError('unauthenticated', 'This credential was deleted. Use another one.')
  }
}
