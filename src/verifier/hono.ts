import type { Access } from './access.ts'
import type { RequestFacts } from './activity-event.ts'
import {
  createGuard,
  factsOf,
  type GuardOptions,
  metadataAnswer,
  recallAccess,
  rememberAccess,
} from './guard.ts'
import { type Answer, problemOf } from './problem.ts'
import { routeTemplate } from './route-template.ts'
import type { Verifier } from './verifier.ts'

export type { GuardOptions } from './guard.ts'

/** What is read of a Hono context. */
export interface HonoContext {
  readonly req: {
    readonly raw: object
    readonly method: string
    readonly url: string
    header(name: string): string | undefined
    readonly matchedRoutes: readonly { readonly method: string; readonly path: string }[]
  }
  readonly res: { readonly status: number; readonly headers: { get(name: string): string | null } }
}

/** For `new Hono<{ Variables: HallpassVariables }>()`, so that `c.get('access')` is typed. */
export interface HallpassVariables {
  access: Access
}

/** Middleware for Hono: `app.use('/invoices/*', requireScope(verifier, 'invoices:read'))`. */
export function requireScope<Context extends HonoContext>(
  verifier: Verifier,
  scope: string,
  options: GuardOptions<Context> = {},
): (c: Context, next: () => Promise<void>) => Promise<Response | undefined> {
  const guard = createGuard(verifier, scope, options)
  return async (c, next) => {
    const { raw, method, url } = c.req
    const decision = await guard({
      identity: raw,
      method,
      url,
      authorization: present(c.req.header('authorization')),
      proofs: present(c.req.header('dpop')),
    })
    if (decision.error !== undefined) {
      const answer = problemOf(decision.error)
      decision.report(factsOf({ ...factsIn(c), status: answer.status }, options.describe, c))
      return toResponse(answer)
    }
    rememberAccess(raw, decision.access)
    if ('set' in c && typeof c.set === 'function') c.set('access', decision.access)
    try {
      await next()
    } finally {
      const bytesOut = byteCount(c.res.headers.get('content-length'))
      const seen = { ...factsIn(c), status: c.res.status, bytesOut }
      decision.report(factsOf(seen, options.describe, c))
    }
    return undefined
  }
}

/** What `requireScope` accepted. Throws when the handler stands behind none. */
export function accessOf(c: HonoContext): Access {
  return recallAccess(c.req.raw)
}

/** Answers `/.well-known/oauth-protected-resource` (RFC 9728). */
export function serveResourceMetadata(verifier: Verifier): (c: HonoContext) => Response {
  return () => toResponse(metadataAnswer(verifier))
}

function factsIn({ req }: HonoContext): RequestFacts {
  const handler = req.matchedRoutes.findLast(({ method }) => method !== 'ALL')
  const route = handler ?? req.matchedRoutes.at(-1)
  return {
    method: req.method,
    route: route === undefined ? '*' : routeTemplate(route.path),
    bytesIn: byteCount(req.header('content-length')),
    userAgent: req.header('user-agent'),
  }
}

function toResponse({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers })
}

function present(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value]
}

function byteCount(value: string | null | undefined): number | undefined {
  return value != null && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
