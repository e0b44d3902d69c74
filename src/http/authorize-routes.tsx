import type { Context } from 'hono'
import {
  type AuthorizationFault,
  answerLocation,
  checkAuthorization,
  issueAuthorizationCode,
} from '../identity/index.ts'
import { browserActor, formToken, requireFormToken, sessionSecret } from './browser-session.ts'
import { limitPage } from './client-facts.ts'
import { readForm } from './form.ts'
import { answerRefusalPage } from './page-errors.tsx'
import { type HttpEnvironment, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'
import { authorizePage, refusalPage, signedOutPage } from './sign-in-pages.tsx'

type PageContext = Context<HttpEnvironment>

/** `/oauth/authorize`: a page that names the client, the person and the address before a code leaves. */
export function authorizeRoutes(services: HttpServices): Router {
  const router = newRouter()
  router.onError((error, c) => answerRefusalPage(c, error, services.log))
  router.get('/oauth/authorize', (c) => askPerson(c, services))
  router.post('/oauth/authorize', (c) => takeVerdict(c, services))
  return router
}

async function askPerson(c: PageContext, services: HttpServices) {
  await limitPage(c, services, 'page')
  const { searchParams, search } = new URL(c.req.url)
  const request = await checkAuthorization(services, searchParams)
  if ('kind' in request) return answerFault(c, request)
  const actor = await browserActor(c, services)
  if (actor === undefined) {
    const returnTo = encodeURIComponent(`/oauth/authorize${search}`)
    return c.redirect(`/sign-in?return_to=${returnTo}`, 303)
  }
  return authorizePage(c, {
    request,
    parameters: searchParams,
    subject: actor.id,
    formTokens: formTokensOf(c),
  })
}

async function takeVerdict(c: PageContext, services: HttpServices) {
  await limitPage(c, services, 'page')
  const form = await readForm(c)
  const given = form.get('form_token')
  const verdict = form.get('verdict')
  form.delete('form_token')
  form.delete('verdict')
  const request = await checkAuthorization(services, form)
  if ('kind' in request) return answerFault(c, request)
  const actor = await browserActor(c, services)
  if (actor === undefined) return signedOutPage(c, `/oauth/authorize?${form}`)
  requireFormToken(sessionSecret(c), 'authorize', given)
  const answer =
    verdict === 'allow'
      ? { code: await issueAuthorizationCode({ ...services, actor }, request) }
      : { error: 'access_denied', error_description: 'The person did not allow it.' }
  // RFC 9207: the client can tell which server answered
  const parameters = { ...answer, state: request.state, iss: services.issuer }
  c.header('Cache-Control', 'no-store')
  return c.redirect(answerLocation(request.redirectUri, parameters), 303)
}

function formTokensOf(c: PageContext): { readonly authorize: string; readonly signOut: string } {
  const secret = sessionSecret(c) ?? ''
  return { authorize: formToken(secret, 'authorize'), signOut: formToken(secret, 'sign-out') }
}

function answerFault(c: PageContext, fault: AuthorizationFault) {
  if (fault.kind === 'redirect') return c.redirect(fault.location, 302)
  return refusalPage(c, { title: 'This sign-in cannot go on', message: fault.message, status: 400 })
}
