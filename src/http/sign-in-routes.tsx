import type { Context } from 'hono'
import { isLoopbackHost } from '../config.ts'
import { anonymous, type OperationContext } from '../context.ts'
import { HallpassError } from '../errors.ts'
import {
  beginSignIn,
  developmentSignIn,
  finishSignIn,
  type IdentityProvider,
  listDevelopmentPeople,
  localPath,
  signOut,
} from '../identity/index.ts'
import {
  browserActor,
  browserSecret,
  forgetSession,
  formToken,
  knownBrowserSecret,
  rememberSession,
  requireFormToken,
  sessionSecret,
} from './browser-session.ts'
import { clientFacts, limitPage } from './client-facts.ts'
import { requireLocalCaller } from './development-guard.ts'
import { readForm } from './form.ts'
import { answerRefusalPage } from './page-errors.tsx'
import { type HttpEnvironment, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'
import { developmentSignInPage, signedInPage, signedOutPage } from './sign-in-pages.tsx'

type PageContext = Context<HttpEnvironment>

/** Makes the pages by which people sign in: at the identity provider, or, in development mode, by choosing. */
export function signInRoutes(provider: IdentityProvider | undefined) {
  return (services: HttpServices): Router => {
    const router = newRouter()
    router.onError((error, c) => answerRefusalPage(c, error, services.log))
    router.get('/sign-in', async (c) => {
      const returnTo = localPath(c.req.query('return_to'))
      const actor = await browserActor(c, services)
      if (actor !== undefined) return alreadySignedIn(c, actor.id, returnTo)
      await limitPage(c, services, 'page')
      if (provider !== undefined) return startAtProvider(c, services, provider, returnTo)
      return chooseInDevelopment(c, services, returnTo)
    })
    router.post('/sign-out', (c) => endBrowserSession(c, services))
    if (provider !== undefined) addProviderRoutes(router, services, provider)
    else if (services.isDevelopment) addDevelopmentRoutes(router, services)
    return router
  }
}

function alreadySignedIn(c: PageContext, subject: string, returnTo: string) {
  if (!returnTo.startsWith('/sign-in')) return c.redirect(returnTo, 303)
  return signedInPage(c, { subject, formToken: formToken(sessionSecret(c) ?? '', 'sign-out') })
}

async function startAtProvider(
  c: PageContext,
  services: HttpServices,
  provider: IdentityProvider,
  returnTo: string,
) {
  const elsewhere = otherLoopbackName(c, services.issuer)
  if (elsewhere !== undefined) return c.redirect(elsewhere, 302)
  const secret = browserSecret(c, services)
  const location = await beginSignIn(services, { provider, browserSecret: secret, returnTo })
  c.header('Cache-Control', 'no-store')
  return c.redirect(location, 302)
}

/**
 * The provider sends people back to the issuer's own name; a browser that came by another name of this machine
 * would not have its cookie there.
 */
function otherLoopbackName(c: PageContext, issuer: string): string | undefined {
  const asked = new URL(c.req.url)
  const own = new URL(issuer)
  if (asked.hostname === own.hostname) return undefined
  if (!isLoopbackHost(asked.hostname) || !isLoopbackHost(own.hostname)) return undefined
  return `${own.origin}${asked.pathname}${asked.search}`
}

async function chooseInDevelopment(c: PageContext, services: HttpServices, returnTo: string) {
  if (!services.isDevelopment) {
    throw new HallpassError('cannot_decide', 'No identity provider is configured.')
  }
  requireLocalCaller(c)
  const secret = browserSecret(c, services)
  return developmentSignInPage(c, {
    people: await listDevelopmentPeople({ ...services, actor: anonymous }),
    returnTo,
    formToken: formToken(secret, 'development-sign-in'),
  })
}

function addProviderRoutes(
  router: Router,
  services: HttpServices,
  provider: IdentityProvider,
): void {
  router.get('/auth/callback', async (c) => {
    await limitPage(c, services, 'sign_in')
    const before = await browserActor(c, services)
    const ctx: OperationContext = { ...services, actor: anonymous }
    const finished = await finishSignIn(ctx, {
      provider,
      parameters: new URL(c.req.url).searchParams,
      browserSecret: knownBrowserSecret(c),
      ...clientFacts(c, services),
    })
    if (before !== undefined) await signOut({ ...services, actor: before })
    rememberSession(c, finished)
    return c.redirect(finished.returnTo, 303)
  })
}

function addDevelopmentRoutes(router: Router, services: HttpServices): void {
  router.post('/sign-in/development', async (c) => {
    requireLocalCaller(c)
    await limitPage(c, services, 'sign_in')
    const form = await readForm(c)
    requireFormToken(knownBrowserSecret(c), 'development-sign-in', form.get('form_token'))
    const session = await developmentSignIn(
      { ...services, actor: anonymous },
      { subject: form.get('subject') ?? '', via: 'browser', ...clientFacts(c, services) },
    )
    rememberSession(c, session)
    return c.redirect(localPath(form.get('return_to') ?? undefined), 303)
  })
}

async function endBrowserSession(c: PageContext, services: HttpServices) {
  const form = await readForm(c)
  const actor = await browserActor(c, services)
  if (actor !== undefined) {
    requireFormToken(sessionSecret(c), 'sign-out', form.get('form_token'))
    await signOut({ ...services, actor })
  }
  forgetSession(c)
  return signedOutPage(c, localPath(form.get('return_to') ?? undefined))
}
