import { z } from '@hono/zod-openapi'
import { explainAccess, viewCatalog } from '../access/index.ts'
import { nameParameter } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Catalog'

const catalogSchema = z
  .object({
    version: z.number().int(),
    resources: z.array(
      z.object({
        name: z.string(),
        title: z.string(),
        audience: z.string(),
        owner: z.string(),
        sensitivity: z.enum(['low', 'medium', 'high']),
        scopes: z.record(z.string(), z.string()),
      }),
    ),
    roles: z.array(
      z.object({
        name: z.string(),
        resource: z.string(),
        scopes: z.array(z.string()),
        is_self_service: z.boolean(),
        seat_count: z.number().int(),
        max_duration_seconds: z.number().int(),
        default_duration_seconds: z.number().int(),
      }),
    ),
  })
  .openapi('Catalog')

const explainSchema = z.strictObject({
  role: z.string().min(1).max(200),
  subject: nameParameter.min(1).optional(),
  scopes: z.array(z.string().max(128)).max(100).optional(),
  duration_seconds: z.number().int().min(1).max(315_360_000),
  justification: z.string().max(500).optional(),
  ticket: z.string().max(100).optional(),
  starts_at: z.iso.datetime({ offset: true }).optional(),
  is_break_glass: z.boolean().optional(),
})

const reasonSchema = z.object({ code: z.string(), message: z.string() })

const explanationSchema = z
  .object({
    decision: z.enum(['allow', 'review', 'deny']),
    policy: z.string().nullable(),
    role: z.string(),
    subject: z.string(),
    groups: z.array(z.string()),
    scopes: z.array(z.string()),
    catalog_version: z.number().int(),
    reasons: z.array(reasonSchema),
    policies: z.array(
      z.object({
        policy: z.string(),
        outcome: z.enum(['skipped', 'matched', 'failed', 'not_reached']),
        message: z.string(),
      }),
    ),
    limits: z
      .object({
        max_duration_seconds: z.number().int(),
        justification_min_length: z.number().int(),
        ticket_pattern: z.string().nullable(),
      })
      .nullable(),
    seats: z.array(
      z.object({
        from: z.array(z.string()),
        count: z.number().int(),
        could_fill: z.array(z.string()),
        or_holders_of: z.array(z.string()),
      }),
    ),
  })
  .openapi('Explanation')

/** `GET /v1/catalog`, and the explanation that `hallpass catalog explain` prints. */
export function catalogRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'get',
    path: '/v1/catalog',
    tag,
    summary: 'What the caller may ask for',
    authentication: 'session',
    status: 200,
    answer: catalogSchema,
    run: ({ ctx }) => viewCatalog(ctx),
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/catalog/explain',
    tag,
    summary: 'What policy would say to an ask, and why; about others for admins only',
    authentication: 'session',
    body: explainSchema,
    status: 200,
    answer: explanationSchema,
    run: ({ ctx, body }) =>
      explainAccess(ctx, {
        role: body.role,
        subject: body.subject,
        scopes: body.scopes,
        durationSeconds: body.duration_seconds,
        justification: body.justification,
        ticket: body.ticket,
        startsAt: body.starts_at === undefined ? undefined : new Date(body.starts_at),
        isBreakGlass: body.is_break_glass ?? false,
      }),
  })
  return router
}
