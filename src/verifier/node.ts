import type { Access } from './access.ts'
import { createGuard, factsOf, type GuardOptions, metadataAnswer } from './guard.ts'
import {
  guardedRequest,
  type NodeRequest,
  type NodeResponse,
  reportWhenOver,
  sendAnswer,
} from './node-request.ts'
import { problemOf } from './problem.ts'
import type { Verifier } from './verifier.ts'

export type { GuardOptions } from './guard.ts'
export type { NodeRequest, NodeResponse } from './node-request.ts'

/**
 * Guards a handler of `node:http`: `const access = await guard(request, response)`. Undefined means that the request was
 * refused and answered. Name the route in `describe`; a path would tell identifiers apart, not routes.
 */
export function requireScope<Request extends NodeRequest>(
  verifier: Verifier,
  scope: string,
  options: GuardOptions<Request> = {},
): (request: Request, response: NodeResponse) => Promise<Access | undefined> {
  const guard = createGuard(verifier, scope, options)
  return async (request, response) => {
    const decision = await guard(guardedRequest(request))
    reportWhenOver(decision, request, response, () => {
      const seen = { method: request.method ?? 'GET', route: '*' }
      return factsOf(seen, options.describe, request)
    })
    if (decision.error !== undefined) sendAnswer(response, problemOf(decision.error))
    return decision.access
  }
}

/** Answers `/.well-known/oauth-protected-resource` (RFC 9728). */
export function serveResourceMetadata(
  verifier: Verifier,
): (request: NodeRequest, response: NodeResponse) => void {
  return (_request, response) => sendAnswer(response, metadataAnswer(verifier))
}
