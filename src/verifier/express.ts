import type { Access } from './access.ts'
import {
  createGuard,
  factsOf,
  type GuardOptions,
  metadataAnswer,
  recallAccess,
  rememberAccess,
} from './guard.ts'
import {
  guardedRequest,
  type NodeRequest,
  type NodeResponse,
  reportWhenOver,
  sendAnswer,
} from './node-request.ts'
import { problemOf } from './problem.ts'
import { routeTemplate } from './route-template.ts'
import type { Verifier } from './verifier.ts'

export type { GuardOptions } from './guard.ts'
export type { NodeRequest, NodeResponse } from './node-request.ts'

/** What is read of an Express request. */
export interface ExpressRequest extends NodeRequest {
  readonly originalUrl: string
  readonly baseUrl: string
  readonly route?: { readonly path?: unknown } | undefined
}

/** Middleware for Express: `app.get('/invoices/:id', requireScope(verifier, 'invoices:read'), handler)`. */
export function requireScope<Request extends ExpressRequest>(
  verifier: Verifier,
  scope: string,
  options: GuardOptions<Request> = {},
): (request: Request, response: NodeResponse, next: (error?: unknown) => void) => void {
  const guard = createGuard(verifier, scope, options)
  return (request, response, next) => {
    guard(guardedRequest(request, request.originalUrl)).then((decision) => {
      reportWhenOver(decision, request, response, () => {
        const seen = { method: request.method ?? 'GET', route: routeOf(request) }
        return factsOf(seen, options.describe, request)
      })
      if (decision.error !== undefined) return sendAnswer(response, problemOf(decision.error))
      rememberAccess(request, decision.access)
      next()
    }, next)
  }
}

/** What `requireScope` accepted. Throws when the handler stands behind none. */
export function accessOf(request: ExpressRequest): Access {
  return recallAccess(request)
}

/** Answers `/.well-known/oauth-protected-resource` (RFC 9728). */
export function serveResourceMetadata(
  verifier: Verifier,
): (request: ExpressRequest, response: NodeResponse) => void {
  return (_request, response) => sendAnswer(response, metadataAnswer(verifier))
}

function routeOf({ baseUrl, route }: ExpressRequest): string {
  return typeof route?.path === 'string' ? routeTemplate(baseUrl + route.path) : '*'
}
