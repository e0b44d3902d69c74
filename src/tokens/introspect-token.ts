import type { Actor, OperationContext, Services } from '../context.ts'
import { OAuthError } from '../errors.ts'
import { authenticateResource, presentedByResource, resourceBehind } from '../identity/index.ts'
import { requireTrustedClock } from '../operation.ts'
import { checkToken, isInForce, knownToken } from './check-token.ts'
import { type AccessTokenClaims, scopesOf } from './claims.ts'
import { introspectionFacts } from './introspection-facts.ts'

/** The answer of RFC 7662 §2.2; times are seconds since the epoch. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true
      readonly scope: string
      readonly clientId: string
      readonly tokenType: 'Bearer'
      readonly exp: number
      readonly iat: number
      readonly nbf: number
      readonly sub: string
      readonly aud: string
      readonly iss: string
      readonly jti: string
      readonly grantId: string
    }

/** What a resource asks. */
export interface IntrospectionInput {
  readonly token: string
  readonly scope?: string | undefined
}

/**
 * Tells a resource whether a token is good on it (RFC 7662). Anything doubtful, foreign, ended or suspended is
 * `{active: false}`. `scope` names what the resource is about to enforce: the use of each of these scopes is
 * recorded when the token has it. A token that lacks it stays active, as its own `scope` tells, and nothing is
 * recorded: a call that will be denied is no use. Throws `invalid_client` unless a resource asks.
 */
export async function introspectToken(
  ctx: OperationContext,
  input: IntrospectionInput,
): Promise<Introspection> {
  if (ctx.actor.kind !== 'resource') {
    throw new OAuthError(
      'invalid_client',
      'Only a resource may introspect, with its own credential: POST /v1/resources/{name}/credentials makes one.',
    )
  }
  requireTrustedClock(ctx)
  const verified = await checkToken(ctx, input.token, ctx.actor.id)
  return verified === undefined ? { active: false } : activeAnswer(ctx, verified.claims, input)
}

/**
 * The same for whoever brings this `Basic …` header: credential and token are looked up at once when this replica
 * has checked the token before. `admit` may refuse a resource that has proved itself. Throws `unauthenticated`.
 */
export async function introspectAsResource(
  ctx: Services,
  input: IntrospectionInput & { readonly authorization: string },
  admit: (resource: Actor) => Promise<void>,
): Promise<Introspection> {
  const presented = presentedByResource(input.authorization)
  const known = knownToken(ctx, input.token)
  if (known === undefined) {
    // nobody makes us check a signature before they proved who they are
    const actor = await authenticateResource(ctx, input.authorization)
    await admit(actor)
    return introspectToken({ ...ctx, actor }, input)
  }
  const { clientId } = presented
  const facts = await introspectionFacts(ctx, { clientId, jti: known.claims.jti })
  const actor = resourceBehind(ctx, presented, facts.credential)
  await admit(actor)
  requireTrustedClock(ctx)
  return isInForce(known, facts.standing, actor.id, ctx.clock.now())
    ? activeAnswer(ctx, known.claims, input)
    : { active: false }
}

function activeAnswer(
  ctx: Services,
  claims: AccessTokenClaims,
  input: IntrospectionInput,
): Introspection {
  recordUse(ctx, claims.grant_id, scopesOf(claims.scope), input.scope)
  return {
    active: true,
    scope: claims.scope,
    clientId: claims.client_id,
    tokenType: 'Bearer',
    exp: claims.exp,
    iat: claims.iat,
    nbf: claims.nbf,
    sub: claims.sub,
    aud: claims.aud,
    iss: claims.iss,
    jti: claims.jti,
    grantId: claims.grant_id,
  }
}

function recordUse(
  ctx: Services,
  grantId: string,
  held: readonly string[],
  enforced: string | undefined,
): void {
  const at = ctx.clock.now()
  const named = scopesOf(enforced ?? '')
  if (named.length === 0) ctx.useObserver?.observeUse({ grantId, scope: undefined, at })
  if (!named.every((scope) => held.includes(scope))) return
  for (const scope of named) ctx.useObserver?.observeUse({ grantId, scope, at })
}
