import { eq } from 'drizzle-orm'
import {
  type Grant,
  grantFacts,
  grantNotFound,
  lockGrantUnder,
  lockResource,
  refuseRecentlyRevoked,
  requireMove,
} from '../access/index.ts'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { accessGrantTable, issuedTokenTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import { lockSubject } from '../identity/index.ts'
import { operate, requireTrustedClock } from '../operation.ts'
import { type AccessTokenClaims, claimsOf, clientIdOf } from './claims.ts'
import { lockSigningKeys, signingKeys } from './key-store.ts'
import { chosenScopes, mintableScopes } from './mintable-scopes.ts'
import { type Signer, signerOf, signToken } from './signer.ts'

/** What a holder asks for: all scopes of the grant, or fewer. */
export interface MintInput {
  readonly grantId: string
  readonly scopes?: readonly string[] | undefined
}

/** An access token and what its bearer needs to know. Durations in seconds. */
export interface MintedToken {
  readonly accessToken: string
  readonly tokenType: 'Bearer'
  readonly expiresIn: number
  /** space-separated */
  readonly scope: string
  readonly grantId: string
  readonly authorizationExpiresIn: number
}

/** A token that is decided, recorded and audited, but not signed: nothing of it is secret. */
export interface RecordedToken {
  readonly claims: AccessTokenClaims
  readonly kid: string
  readonly grantEndsAt: Date
}

/**
 * Mints a token of a grant for its holder. The row with its `jti` and the audit entry commit before it is
 * signed. Throws `not_found`, `not_holder`, `grant_not_active`, `grant_ended`, `not_eligible`,
 * `wider_than_asked`, `recently_revoked`, `cannot_decide`.
 */
export async function mintToken(ctx: OperationContext, input: MintInput): Promise<MintedToken> {
  requireTrustedClock(ctx)
  let signer: Signer | undefined
  const recorded = await operate(ctx, 'mint-token', async (tx) => {
    const token = await recordToken(tx, ctx, input)
    // before the commit, so that a key that cannot be opened leaves no row and no entry
    signer = await signerOf(tx.db, ctx, token.kid)
    const at = ctx.clock.now()
    tx.afterCommit(() => ctx.useObserver?.observeMint({ grantId: input.grantId, at }))
    return token
  })
  if (signer === undefined) throw new Error('a token was recorded without its key')
  return signedAnswer(signer, recorded, ctx.clock.now())
}

/** What a repetition with the same Idempotency-Key is answered from; see remintToken. */
export function recordedMint(recorded: RecordedToken): { readonly jti: string } {
  return { jti: recorded.claims.jti }
}

/** Signs what was recorded. */
export async function signedAnswer(
  signer: Signer,
  { claims, grantEndsAt }: RecordedToken,
  now: Date,
): Promise<MintedToken> {
  const left = Math.max(0, Math.floor((grantEndsAt.getTime() - now.getTime()) / 1000))
  return {
    accessToken: await signToken(signer, claims),
    tokenType: 'Bearer',
    // `exp` is a whole second and `now` is not: rounded alone, a token would seem to outlive its grant
    expiresIn: Math.min(left, Math.max(0, claims.exp - Math.floor(now.getTime() / 1000))),
    scope: claims.scope,
    grantId: claims.grant_id,
    authorizationExpiresIn: left,
  }
}

async function recordToken(
  tx: Transaction,
  ctx: OperationContext,
  input: MintInput,
): Promise<RecordedToken> {
  const { subject, resource } = await whoseGrant(tx.db, input.grantId)
  const { isDisabled } = await lockSubject(tx, subject, 'share')
  await lockResource(tx, resource, 'share')
  const { grant, catalog, standing } = await lockGrantUnder(tx, ctx, input.grantId, 'isHolder')
  if (standing.kind !== 'subject') throw new Error('only a subject can hold a grant')
  const now = ctx.clock.now()
  requireMove(grant, 'mint', now)
  const mintable = mintableScopes(catalog, { ...standing.facts, isDisabled }, grant)
  const scopes = chosenScopes(grant, mintable, input.scopes)
  await refuseRecentlyRevoked(tx, subject, resource, now)
  const claims = claimsOf({
    issuer: ctx.issuer,
    jti: ctx.ids.next('jti'),
    clientId: clientIdOf(subject),
    scopes,
    now,
    grant,
  })
  if (claims === undefined) {
    throw new HallpassError('grant_not_active', 'This grant ends within a second.', {
      refusal: grantFacts(grant),
    })
  }
  return store(tx, ctx, grant, claims, scopes)
}

/** What must be locked before the grant. Neither ever changes. */
async function whoseGrant(db: Queryable, id: string): Promise<Pick<Grant, 'subject' | 'resource'>> {
  const [grant] = await db
    .select({ subject: accessGrantTable.subject, resource: accessGrantTable.resource })
    .from(accessGrantTable)
    .where(eq(accessGrantTable.id, id))
  if (grant === undefined) throw grantNotFound()
  return grant
}

async function store(
  tx: Transaction,
  ctx: OperationContext,
  grant: Grant,
  claims: AccessTokenClaims,
  scopes: readonly string[],
): Promise<RecordedToken> {
  await lockSigningKeys(tx, 'share')
  const [active] = await signingKeys(tx.db, ['active'])
  if (active === undefined) {
    throw new HallpassError(
      'cannot_decide',
      'This broker has no signing key. An operator runs: hallpass keys rotate',
    )
  }
  const expiresAt = new Date(claims.exp * 1000)
  await tx.db.insert(issuedTokenTable).values({
    jti: claims.jti,
    grantId: grant.id,
    subject: grant.subject,
    resource: grant.resource,
    clientId: claims.client_id,
    scopes: [...scopes],
    kid: active.kid,
    issuedAt: new Date(claims.iat * 1000),
    expiresAt,
  })
  await appendEntry(tx, ctx, {
    action: 'mint-token',
    outcome: 'ok',
    subject: grant.subject,
    resource: grant.resource,
    requestId: grant.requestId,
    grantId: grant.id,
    details: { jti: claims.jti, kid: active.kid, scopes, expires_at: expiresAt.toISOString() },
  })
  return { claims, kid: active.kid, grantEndsAt: grant.endsAt }
}
