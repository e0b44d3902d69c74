import { and, eq, gt, inArray, lte } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import { catalogInForce, type Resource } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { type ErrorCode, HallpassError, OAuthError } from '../errors.ts'
import { createSession } from '../identity/index.ts'
import { operate } from '../operation.ts'
import { scopesOf } from './claims.ts'
import { type CoveringGrant, coveringGrants } from './covering-grants.ts'
import { type MintedToken, mintToken } from './mint-token.ts'

/** What an authenticated workload asks of the token endpoint. */
export interface ClientCredentialsInput {
  /** Every `resource` parameter, as sent. */
  readonly resources: readonly string[]
  readonly scope?: string | undefined
  /** How the workload authenticated; see AuthenticatedClient. */
  readonly authenticatedBy: string
  readonly clientAddress?: string | undefined
  readonly userAgent?: string | undefined
}

/** A session token for `/v1`; it is no access token and names no scope. */
export interface SessionTokenAnswer {
  readonly accessToken: string
  readonly tokenType: 'Bearer'
  /** seconds */
  readonly expiresIn: number
}

/** After these another grant may still do. */
const anotherMayDo: ReadonlySet<ErrorCode> = new Set([
  'not_eligible',
  'grant_not_active',
  'grant_ended',
  'not_found',
])

/**
 * `client_credentials` (RFC 6749 §4.4) of the workload that acts: without `resource` a session token for `/v1`,
 * with one (RFC 8707) a token of the narrowest active grant on it that covers `scope`; without `scope`, all
 * scopes of the narrowest grant. Throws OAuthError `access_denied` when no grant covers, `invalid_target`,
 * `invalid_scope`, `unauthorized_client`.
 */
export async function issueClientCredentials(
  ctx: OperationContext,
  input: ClientCredentialsInput,
): Promise<MintedToken | SessionTokenAnswer> {
  if (ctx.actor.kind !== 'workload') {
    throw new OAuthError('unauthorized_client', 'Only a workload takes tokens in this way.')
  }
  const audiences = [...new Set(input.resources)]
  const scopes = requestedScopes(input.scope)
  const audience = audiences[0]
  if (audiences.length > 1) {
    throw new OAuthError('invalid_target', 'A token is for one resource. Send one resource.')
  }
  if (audience !== undefined) return mintCovering(ctx, audience, scopes)
  if (scopes !== undefined) {
    throw new OAuthError(
      'invalid_target',
      "Scopes belong to a resource: send its audience as resource. Without both you get a session token for the broker's own API.",
    )
  }
  return openSession(ctx, input)
}

/** RFC 6749 §3.3; an empty parameter counts as left out. */
function requestedScopes(scope: string | undefined): readonly string[] | undefined {
  if (scope === undefined || scope === '') return undefined
  if (!/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope)) {
    throw new OAuthError('invalid_scope', 'Send scopes separated by single spaces.')
  }
  return scopesOf(scope)
}

async function openSession(
  ctx: OperationContext,
  input: ClientCredentialsInput,
): Promise<SessionTokenAnswer> {
  const { accessToken, expiresIn } = await operate(ctx, 'sign-in', async (tx) => {
    const session = await createSession(tx, ctx, {
      subject: ctx.actor.id,
      via: 'client_credentials',
      authenticatedBy: input.authenticatedBy,
      clientAddress: input.clientAddress,
      userAgent: input.userAgent,
    })
    await appendEntry(tx, ctx, {
      action: 'sign-in',
      outcome: 'ok',
      subject: ctx.actor.id,
      details: { session_id: session.sessionId, authenticated_by: input.authenticatedBy },
    })
    return session
  })
  return { accessToken, tokenType: 'Bearer', expiresIn }
}

async function mintCovering(
  ctx: OperationContext,
  audience: string,
  scopes: readonly string[] | undefined,
): Promise<MintedToken> {
  const catalog = await ctx.database.read((db) => catalogInForce(db))
  const resource = [...catalog.resources.values()].find((known) => known.audience === audience)
  if (resource === undefined) {
    throw new OAuthError('invalid_target', 'No resource has this audience.')
  }
  for (const { id } of coveringGrants(await runningGrants(ctx, resource), scopes ?? [])) {
    try {
      return await mintToken(ctx, { grantId: id, scopes })
    } catch (error) {
      if (!(error instanceof HallpassError) || !anotherMayDo.has(error.code)) throw error
    }
  }
  return operate(ctx, 'mint-token', async () => {
    throw new OAuthError(
      'access_denied',
      `No active grant covers that on ${resource.name}. Ask for access first, with POST /v1/requests.`,
      { subject: ctx.actor.id, resource: resource.name },
    )
  })
}

/** The workload's own grants on a resource that run now; minting looks at each again under its locks. */
function runningGrants(ctx: OperationContext, resource: Resource): Promise<CoveringGrant[]> {
  const now = ctx.clock.now()
  return ctx.database.read((db) =>
    db
      .select({
        id: accessGrantTable.id,
        scopes: accessGrantTable.scopes,
        endsAt: accessGrantTable.endsAt,
      })
      .from(accessGrantTable)
      .where(
        and(
          eq(accessGrantTable.subject, ctx.actor.id),
          eq(accessGrantTable.resource, resource.name),
          eq(accessGrantTable.audience, resource.audience),
          inArray(accessGrantTable.state, ['scheduled', 'active']),
          lte(accessGrantTable.startsAt, now),
          gt(accessGrantTable.endsAt, now),
        ),
      ),
  )
}
