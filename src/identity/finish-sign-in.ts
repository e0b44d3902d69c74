import { and, eq, gt, isNull, ne } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { signInTable, subjectTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'
import { type CreatedSession, createSession } from './create-session.ts'
import { type IdentityProvider, SignInRejected, type SignInSecrets } from './identity-provider.ts'
import { ensureSubject, lockSubject } from './lock-subject.ts'
import { judgePin } from './pin.ts'
import { identityOf, type ProviderIdentity } from './provider-identity.ts'
import { hashSecret } from './secret.ts'
import { signInSecrets } from './sign-in-secrets.ts'

export interface SignInAnswer {
  readonly provider: IdentityProvider
  /** What the provider sent the browser back with. */
  readonly parameters: URLSearchParams
  /** The cookie of the browser that started; undefined when this one never did. */
  readonly browserSecret: string | undefined
  readonly clientAddress?: string | undefined
  readonly userAgent?: string | undefined
}

/** A browser session, and where in the broker the person wanted to go. */
export interface FinishedSignIn extends CreatedSession {
  readonly subject: string
  readonly returnTo: string
}

const action = 'sign-in'

/**
 * Ends the dance with the identity provider: the state is spent once, by the browser that started it; the
 * provider's answer is redeemed; the verified e-mail becomes the subject and its account is pinned. Every
 * failure is audited. Throws `unauthenticated`, `not_permitted` (disabled), `cannot_decide` (provider away).
 */
export async function finishSignIn(
  ctx: OperationContext,
  answer: SignInAnswer,
): Promise<FinishedSignIn> {
  const started = await operate(ctx, action, (tx) => spendState(tx, ctx, answer))
  // the network comes between the two transactions, never inside one
  const identity = await identify(ctx, answer, started)
  return operate(ctx, action, async (tx) => {
    await pinIdentity(tx, ctx, identity)
    const session = await createSession(tx, ctx, {
      subject: identity.email,
      via: 'browser',
      authenticatedBy: 'oidc',
      clientAddress: answer.clientAddress,
      userAgent: answer.userAgent,
    })
    const actor = {
      kind: 'person',
      id: identity.email,
      via: 'browser',
      sessionId: session.sessionId,
    } as const
    await appendEntry(tx, { ...ctx, actor }, { action, outcome: 'ok', subject: identity.email })
    return { ...session, subject: identity.email, returnTo: started.returnTo }
  })
}

interface StartedSignIn extends SignInSecrets {
  readonly returnTo: string
}

async function spendState(
  tx: Transaction,
  ctx: OperationContext,
  { parameters, browserSecret }: SignInAnswer,
): Promise<StartedSignIn> {
  const state = parameters.get('state')
  const now = ctx.clock.now()
  const [row] =
    state === null || browserSecret === undefined
      ? []
      : await tx.db
          .update(signInTable)
          .set({ usedAt: now })
          .where(
            and(
              eq(signInTable.stateHash, hashSecret(state)),
              eq(signInTable.browserHash, hashSecret(browserSecret)),
              isNull(signInTable.usedAt),
              gt(signInTable.expiresAt, now),
            ),
          )
          .returning()
  if (row === undefined || state === null || browserSecret === undefined) {
    throw refused(
      'This sign-in was not started here, was used before or took too long. Start again.',
      {
        details: { reason: 'state_unknown' },
      },
    )
  }
  return { ...signInSecrets(state, browserSecret), returnTo: row.returnTo }
}

async function identify(
  ctx: OperationContext,
  { provider, parameters }: SignInAnswer,
  started: StartedSignIn,
): Promise<ProviderIdentity> {
  const claims = await provider.claimsOf(parameters, started).catch((error: unknown) => {
    if (error instanceof SignInRejected) return error
    throw error
  })
  const identity =
    claims instanceof SignInRejected
      ? {
          code: claims.reason,
          message: 'Your identity provider did not confirm the sign-in. Start again.',
        }
      : identityOf(provider.issuer, claims, provider.groupsClaim)
  if ('email' in identity) return identity
  return operate(ctx, action, async () => {
    throw refused(identity.message, { details: { reason: identity.code } })
  })
}

/** Makes the subject this account's, or refuses; what the provider says of groups counts for 24 h from now. */
async function pinIdentity(
  tx: Transaction,
  ctx: OperationContext,
  identity: ProviderIdentity,
): Promise<void> {
  await ensureSubject(tx, ctx, identity.email)
  await lockSubject(tx, identity.email, 'update')
  const [stored] = await tx.db
    .select({
      issuer: subjectTable.providerIssuer,
      providerSubject: subjectTable.providerSubject,
    })
    .from(subjectTable)
    .where(eq(subjectTable.id, identity.email))
  const others = await tx.db
    .select({ id: subjectTable.id })
    .from(subjectTable)
    .where(
      and(
        eq(subjectTable.providerIssuer, identity.issuer),
        eq(subjectTable.providerSubject, identity.providerSubject),
        ne(subjectTable.id, identity.email),
      ),
    )
  if (stored === undefined || judgePin(stored, identity) === 'refused' || others.length > 0) {
    throw refused(
      'This e-mail address belongs to another account of your identity provider. Ask an admin of Hallpass.',
      {
        subject: identity.email,
        details: { reason: others.length > 0 ? 'email_changed' : 'account_changed' },
      },
    )
  }
  const now = ctx.clock.now()
  await tx.db
    .update(subjectTable)
    .set({
      providerIssuer: identity.issuer,
      providerSubject: identity.providerSubject,
      claimGroups: [...identity.groups],
      claimsAt: now,
      lastSignInAt: now,
    })
    .where(eq(subjectTable.id, identity.email))
}

function refused(
  message: string,
  refusal: { subject?: string; details: Readonly<Record<string, unknown>> },
): HallpassError {
  return new HallpassError('unauthenticated', message, { refusal })
}
