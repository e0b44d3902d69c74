import { type Catalog, catalogInForce, type Workload } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { clientAssertionTable } from '../database/schema/identity.ts'
import { OAuthError } from '../errors.ts'
import { operate } from '../operation.ts'
import { checkCredential } from './check-credential.ts'
import { type ClientRequest, type PresentedClient, presentedClient } from './client-request.ts'
import { hashSecret } from './secret.ts'
import { subjectFacts } from './subject-facts.ts'
import { assertedIssuer, type VerifiedAssertion, verifyAssertion } from './verify-assertion.ts'
import { KeysUnavailable } from './workload-keys.ts'

/** A workload that proved who it is. */
export interface AuthenticatedClient {
  /** The workload's name in the catalog, without `workload:` */
  readonly workload: string
  readonly method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'federation'
  /** The method, and which secret where one was used; what a session remembers. */
  readonly authenticatedBy: string
}

/**
 * Which workload calls an OAuth endpoint (RFC 6749 §2.3, RFC 7523). Throws OAuthError `invalid_client`, audited,
 * `invalid_request` for two methods at once, `temporarily_unavailable` when its keys cannot be fetched.
 */
export async function authenticateClient(
  ctx: OperationContext,
  request: ClientRequest,
): Promise<AuthenticatedClient> {
  const presented = presentedClient(request)
  const catalog = await ctx.database.read((db) => catalogInForce(db))
  const client =
    presented.method === 'assertion'
      ? await byAssertion(ctx, catalog, presented)
      : await bySecret(ctx, catalog, presented)
  if (client === undefined) return refuse(ctx, catalog, claimedName(presented))
  const id = `workload:${client.workload}`
  const { isDisabled } = await ctx.database.read((db) => subjectFacts(db, ctx, id))
  return isDisabled ? refuse(ctx, catalog, client.workload) : client
}

async function bySecret(
  ctx: OperationContext,
  catalog: Catalog,
  presented: Exclude<PresentedClient, { method: 'assertion' }>,
): Promise<AuthenticatedClient | undefined> {
  if (presented.method === 'none') return undefined
  const credential = await checkCredential(ctx, presented)
  if (credential?.ownerKind !== 'workload' || !catalog.workloads.has(credential.ownerName)) {
    return undefined
  }
  return {
    workload: credential.ownerName,
    method: presented.method,
    authenticatedBy: `client_secret:${credential.clientId}`,
  }
}

async function byAssertion(
  ctx: OperationContext,
  catalog: Catalog,
  presented: Extract<PresentedClient, { method: 'assertion' }>,
): Promise<AuthenticatedClient | undefined> {
  const workload = assertedWorkload(catalog, presented.assertion)
  if (workload === undefined) return undefined
  if (presented.clientId !== undefined && presented.clientId !== workload.name) return undefined
  const result = await verifyAssertion(
    workload,
    presented.assertion,
    ctx.issuer,
    ctx.clock.now(),
  ).catch((error: unknown) => {
    if (!(error instanceof KeysUnavailable)) throw error
    throw new OAuthError(
      'temporarily_unavailable',
      "The client's keys cannot be fetched from where the catalog says. Try again, or check that address.",
    )
  })
  if (result === undefined || !(await isFirstUse(ctx, workload.name, result))) return undefined
  return { workload: workload.name, method: result.method, authenticatedBy: result.method }
}

/** A workload that signs for itself names itself; a federated one is known by its issuer and subject. */
function assertedWorkload(catalog: Catalog, assertion: string): Workload | undefined {
  const asserted = assertedIssuer(assertion)
  if (asserted === undefined) return undefined
  const named = catalog.workloads.get(asserted.issuer)
  if (named !== undefined && asserted.subject === asserted.issuer) return named
  return [...catalog.workloads.values()].find(
    ({ proof }) =>
      proof?.kind === 'federation' &&
      proof.issuer === asserted.issuer &&
      proof.subject === asserted.subject,
  )
}

/** Spends the assertion's `jti`, whatever becomes of the call: on every replica it counts once. */
async function isFirstUse(
  ctx: OperationContext,
  clientId: string,
  { once }: VerifiedAssertion,
): Promise<boolean> {
  if (once === undefined) return true
  return ctx.database.transaction(async (tx) => {
    const inserted = await tx.db
      .insert(clientAssertionTable)
      .values({ clientId, jtiHash: hashSecret(once.jti), expiresAt: once.expiresAt })
      .onConflictDoNothing()
      .returning({ clientId: clientAssertionTable.clientId })
    return inserted.length === 1
  })
}

function claimedName(presented: PresentedClient): string | undefined {
  if (presented.method !== 'assertion') return presented.clientId
  return presented.clientId ?? assertedIssuer(presented.assertion)?.issuer
}

/** One answer for every cause, so that nobody learns which names exist. */
async function refuse(
  ctx: OperationContext,
  catalog: Catalog,
  claimed: string | undefined,
): Promise<never> {
  const known = claimed !== undefined && catalog.workloads.has(claimed) ? claimed : undefined
  return operate(ctx, 'authenticate-client', async () => {
    throw new OAuthError(
      'invalid_client',
      'The client could not be authenticated. Check its name, its secret or key, the audience (this issuer) and that every assertion is used once.',
      known === undefined ? {} : { subject: `workload:${known}` },
    )
  })
}
