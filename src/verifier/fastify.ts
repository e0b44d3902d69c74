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
} from './node-request.ts'
import { type Answer, problemOf } from './problem.ts'
import { routeTemplate } from './route-template.ts'
import type { Verifier } from './verifier.ts'

export type { GuardOptions } from './guard.ts'

/** What is read of a Fastify request. */
export interface FastifyRequest {
  readonly raw: NodeRequest
  readonly routeOptions: { readonly url?: string | undefined }
}

/** What is used of a Fastify reply. */
export interface FastifyReply {
  readonly raw: NodeResponse
  code(status: number): unknown
  header(name: string, value: string): unknown
  send(body: string): unknown
}

/** A hook for Fastify: `app.get('/invoices/:id', { onRequest: requireScope(verifier, 'invoices:read') }, handler)`. */
export function requireScope<Request extends FastifyRequest>(
  verifier: Verifier,
  scope: string,
  options: GuardOptions<Request> = {},
): (request: Request, reply: FastifyReply) => Promise<unknown> {
  const guard = createGuard(verifier, scope, options)
  return async (request, reply) => {
    const { raw } = request
    const decision = await guard(guardedRequest(raw))
    reportWhenOver(decision, raw, reply.raw, () => {
      const seen = { method: raw.method ?? 'GET', route: routeOf(request) }
      return factsOf(seen, options.describe, request)
    })
    if (decision.error !== undefined) return send(reply, problemOf(decision.error))
    rememberAccess(raw, decision.access)
    return undefined
  }
}

/** What `requireScope` accepted. Throws when the handler stands behind none. */
export function accessOf(request: FastifyRequest): Access {
  return recallAccess(request.raw)
}

/** Answers `/.well-known/oauth-protected-resource` (RFC 9728). */
export function serveResourceMetadata(
  verifier: Verifier,
): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> {
  return async (_request, reply) => send(reply, metadataAnswer(verifier))
}

function send(reply: FastifyReply, { status, headers, body }: Answer): FastifyReply {
  reply.code(status)
  for (const [name, value] of Object.entries(headers)) reply.header(name, value)
  reply.send(body)
  return reply
}

function routeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.url === undefined ? '*' : routeTemplate(routeOptions.url)
}
