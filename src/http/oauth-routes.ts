import type { Context } from 'hono'
import { type Actor, anonymous, type OperationContext } from '../context.ts'
import { HallpassError, OAuthError } from '../errors.ts'
import {
  authenticateClient,
  authenticateResource,
  authenticateSession,
  formValue,
  redeemAuthorizationCode,
} from '../identity/index.ts'
import {
  introspectAsResource,
  issueClientCredentials,
  keySetMaxAgeSeconds,
  publishedKeys,
  revokeToken,
  serverMetadata,
} from '../tokens/index.ts'
import { bearerOf } from './authentication.ts'
import { clientFacts } from './client-facts.ts'
import { readForm } from './form.ts'
import { describeOAuth } from './oauth-description.ts'
import { toJson } from './render.ts'
import { type HttpEnvironment, newRouter, type Router } from './routing.ts'
import { answerJson } from './security-headers.ts'
import type { HttpServices } from './services.ts'

type OAuthContext = Context<HttpEnvironment>

/** The machine's side of OAuth: `/oauth/token`, `/introspect`, `/revoke`, `/jwks` and the metadata. */
export function oauthRoutes(services: HttpServices): Router {
  const router = newRouter()
  router.post('/oauth/token', (c) => answerToken(c, services))
  router.post('/oauth/introspect', (c) => answerIntrospection(c, services))
  router.post('/oauth/revoke', (c) => answerRevocation(c, services))
  router.get('/oauth/jwks', async (c) =>
    c.json(await publishedKeys(services), 200, {
      'Cache-Control': `public, max-age=${keySetMaxAgeSeconds}`,
    }),
  )
  const metadata = (c: OAuthContext) =>
    c.json(serverMetadata(services.issuer), 200, { 'Cache-Control': 'public, max-age=300' })
  router.get('/.well-known/oauth-authorization-server', metadata)
  router.get('/.well-known/openid-configuration', metadata)
  describeOAuth(router)
  return router
}

async function answerToken(c: OAuthContext, services: HttpServices): Promise<Response> {
  await services.rateLimits.consume('token', services.clientAddressOf(c.env?.incoming))
  const form = await readForm(c)
  const grantType = required(form, 'grant_type')
  switch (grantType) {
    case 'client_credentials': {
      const client = await authenticateClient(as(services, anonymous), presentedBy(c, form))
      const ctx = as(services, workloadActor(client.workload))
      const answer = await issueClientCredentials(ctx, {
        resources: form.getAll('resource').filter((value) => value !== ''),
        scope: formValue(form, 'scope'),
        authenticatedBy: client.authenticatedBy,
        ...clientFacts(c, services),
      })
      return answerFresh(c, answer)
    }
    case 'authorization_code': {
      const { accessToken, expiresIn } = await redeemAuthorizationCode(as(services, anonymous), {
        clientId: required(form, 'client_id'),
        code: required(form, 'code'),
        redirectUri: required(form, 'redirect_uri'),
        codeVerifier: required(form, 'code_verifier'),
        ...clientFacts(c, services),
      })
      return answerFresh(c, { accessToken, tokenType: 'Bearer', expiresIn })
    }
    default:
      throw new OAuthError(
        'unsupported_grant_type',
        'Use client_credentials or authorization_code.',
      )
  }
}

async function answerIntrospection(c: OAuthContext, services: HttpServices): Promise<Response> {
  const authorization = c.req.header('authorization') ?? ''
  const form = await readForm(c)
  const token = formValue(form, 'token')
  if (token === undefined) {
    await authenticateResource(services, authorization)
    throw missing('token')
  }
  const input = { authorization, token, scope: formValue(form, 'scope') }
  const answer = await introspectAsResource(services, input, ({ id }) =>
    services.rateLimits.consume('introspection', id),
  )
  return answerFresh(c, answer)
}

async function answerRevocation(c: OAuthContext, services: HttpServices): Promise<Response> {
  await services.rateLimits.consume('token', services.clientAddressOf(c.env?.incoming))
  const form = await readForm(c)
  const token = required(form, 'token')
  const actor = await revokerOf(c, services, form, token)
  if (actor !== undefined) await revokeToken(as(services, actor), { token })
  return c.body(null, 200, { 'Cache-Control': 'no-store' })
}

/**
 * Who takes a token back: its subject with a session, its client with its own authentication, or a public client,
 * which has none: then the session token itself is the proof, and undefined means that there is nothing to end.
 */
async function revokerOf(
  c: OAuthContext,
  services: HttpServices,
  form: URLSearchParams,
  token: string,
): Promise<Actor | undefined> {
  const authorization = c.req.header('authorization')
  if (/^Bearer /i.test(authorization ?? '')) return authenticateSession(services, bearerOf(c))
  const isPublic =
    authorization === undefined && !form.has('client_secret') && !form.has('client_assertion')
  if (isPublic && form.has('client_id') && token.startsWith('hps_')) {
    return authenticateSession(services, token).catch((error: unknown) => {
      if (error instanceof HallpassError && error.code === 'unauthenticated') return undefined
      throw error
    })
  }
  const client = await authenticateClient(as(services, anonymous), presentedBy(c, form))
  return workloadActor(client.workload)
}

function as(services: HttpServices, actor: Actor): OperationContext {
  return { ...services, actor }
}

function workloadActor(name: string): Actor {
  return { kind: 'workload', id: `workload:${name}`, via: 'client_credentials' }
}

function presentedBy(c: OAuthContext, form: URLSearchParams) {
  return { authorization: c.req.header('authorization'), form }
}

function required(form: URLSearchParams, name: string): string {
  const value = formValue(form, name)
  if (value === undefined) throw missing(name)
  return value
}

function missing(name: string): OAuthError {
  return new OAuthError('invalid_request', `Send ${name}.`)
}

/** RFC 6749 §5.1: an answer with a token is stored nowhere. */
function answerFresh(c: OAuthContext, answer: object): Response {
  return answerJson(c, toJson(answer), 200, { 'Cache-Control': 'no-store', Pragma: 'no-cache' })
}
