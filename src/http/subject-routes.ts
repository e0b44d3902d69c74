import { z } from '@hono/zod-openapi'
import { disableSubject, enableSubject, revokeResource, revokeSubject } from '../access/index.ts'
import type { OperationContext } from '../context.ts'
import { nameParameter, reasonBody } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const endedSchema = z.object({ grants_revoked: z.number().int() }).openapi('Ended')

/** Ending everything of a subject, or everything on a resource, in one call. */
export function subjectRoutes(services: HttpServices): Router {
  const router = newRouter()
  const summaries = {
    revoke: 'End everything that a subject has',
    disable: 'End everything that a subject has, and refuse it until it is enabled',
    enable: 'Let a disabled subject sign in and ask again',
  }
  addSubjectRoute(router, services, 'revoke', summaries.revoke, revokeSubject)
  addSubjectRoute(router, services, 'disable', summaries.disable, disableSubject)
  addSubjectRoute(router, services, 'enable', summaries.enable, enableSubject)
  addRoute(router, services, {
    method: 'post',
    path: '/v1/resources/{name}/revoke',
    tag: 'Resources',
    summary: 'End every grant and token on a resource',
    authentication: 'session',
    params: z.object({ name: nameParameter }),
    body: reasonBody,
    status: 200,
    answer: endedSchema,
    run: ({ ctx, params, body }) =>
      revokeResource(ctx, { resource: params.name, reason: body.reason }),
  })
  return router
}

function addSubjectRoute(
  router: Router,
  services: HttpServices,
  act: 'revoke' | 'disable' | 'enable',
  summary: string,
  operation: (
    ctx: OperationContext,
    input: { readonly subject: string; readonly reason: string },
  ) => Promise<{ readonly grantsRevoked: number }>,
): void {
  addRoute(router, services, {
    method: 'post',
    path: `/v1/subjects/{subject}/${act}`,
    tag: 'Subjects',
    summary,
    authentication: 'session',
    params: z.object({ subject: nameParameter }),
    body: reasonBody,
    status: 200,
    answer: endedSchema,
    run: ({ ctx, params, body }) =>
      operation(ctx, { subject: params.subject, reason: body.reason }),
  })
}
