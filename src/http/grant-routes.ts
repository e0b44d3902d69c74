import { z } from '@hono/zod-openapi'
import {
  type GrantView,
  getGrant,
  listGrants,
  releaseGrant,
  resumeGrant,
  revokeGrant,
  suspendGrant,
} from '../access/index.ts'
import type { OperationContext } from '../context.ts'
import { nameParameter, reasonBody } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Grants'

const stateSchema = z.enum(['scheduled', 'active', 'suspended', 'revoked', 'released', 'expired'])

const grantSchema = z
  .object({
    id: z.string(),
    request_id: z.string(),
    subject: z.string(),
    resource: z.string(),
    audience: z.string(),
    role: z.string(),
    scopes: z.array(z.string()),
    state: stateSchema,
    starts_at: z.iso.datetime(),
    ends_at: z.iso.datetime(),
    ended_at: z.iso.datetime().nullable(),
    ended_by: z.string().nullable(),
    end_reason: z.string().nullable(),
    last_used_at: z.iso.datetime().nullable(),
  })
  .openapi('Grant')

const listSchema = z.strictObject({
  subject: nameParameter.optional(),
  resource: nameParameter.optional(),
  state: stateSchema.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().optional(),
})

/** Grants: seen by whom they concern, ended by whoever may. Minting and extending are elsewhere. */
export function grantRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'get',
    path: '/v1/grants',
    tag,
    summary: 'The grants that the caller may see, newest first',
    authentication: 'session',
    query: listSchema,
    status: 200,
    answer: z.object({ items: z.array(grantSchema), next_cursor: z.string().nullable() }),
    run: ({ ctx, query }) => listGrants(ctx, query),
  })
  addRoute(router, services, {
    method: 'get',
    path: '/v1/grants/{id}',
    tag,
    summary: 'One grant',
    authentication: 'session',
    params: z.object({ id: nameParameter }),
    status: 200,
    answer: grantSchema,
    run: ({ ctx, params }) => getGrant(ctx, { grantId: params.id }),
  })
  addEndingRoute(router, services, 'revoke', 'Take a grant away at once', revokeGrant)
  addEndingRoute(router, services, 'suspend', 'Stop a grant for now', suspendGrant)
  addEndingRoute(router, services, 'resume', 'Let a suspended grant go on', resumeGrant)
  addRoute(router, services, {
    method: 'post',
    path: '/v1/grants/{id}/release',
    tag,
    summary: 'Give a grant of your own back',
    authentication: 'session',
    params: z.object({ id: nameParameter }),
    body: z.strictObject({}),
    status: 200,
    answer: grantSchema,
    run: ({ ctx, params }) => releaseGrant(ctx, { grantId: params.id }),
  })
  return router
}

function addEndingRoute(
  router: Router,
  services: HttpServices,
  act: 'revoke' | 'suspend' | 'resume',
  summary: string,
  operation: (
    ctx: OperationContext,
    input: { readonly grantId: string; readonly reason: string },
  ) => Promise<GrantView>,
): void {
  addRoute(router, services, {
    method: 'post',
    path: `/v1/grants/{id}/${act}`,
    tag,
    summary,
    authentication: 'session',
    params: z.object({ id: nameParameter }),
    body: reasonBody,
    status: 200,
    answer: grantSchema,
    run: ({ ctx, params, body }) => operation(ctx, { grantId: params.id, reason: body.reason }),
  })
}
