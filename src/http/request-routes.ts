import { z } from '@hono/zod-openapi'
import {
  type AskInput,
  cancelRequest,
  commentRequest,
  extendGrant,
  getRequest,
  listRequests,
  previewRequest,
  reviewRequest,
  type SubmittedRequest,
  submitRequest,
} from '../access/index.ts'
import { nameParameter } from './parameters.ts'
import { previewSchema, requestSchema, requestStateSchema } from './request-schemas.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Requests'

const durationSchema = z.number().int('must be a whole number of seconds')

// lengths and characters are the operation's to judge: whatever came another way is judged there too
const askSchema = z.strictObject({
  role: z.string(),
  scopes: z.array(z.string()).optional(),
  duration_seconds: durationSchema,
  justification: z.string(),
  ticket: z.string().nullish(),
  starts_at: z.iso.datetime({ offset: true }).nullish(),
  is_break_glass: z.boolean().optional(),
})

const reviewSchema = z.strictObject({
  verdict: z.enum(['approve', 'deny']),
  comment: z.string().nullish(),
  scopes: z.array(z.string()).optional(),
  duration_seconds: durationSchema.optional(),
  version: z.number().int('must be a whole number').optional(),
})

const extendSchema = z.strictObject({
  duration_seconds: durationSchema,
  justification: z.string(),
  ticket: z.string().nullish(),
})

const listSchema = z.strictObject({
  state: requestStateSchema.optional(),
  subject: nameParameter.optional(),
  to_review: z.literal('me').optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().optional(),
})

const oneRequest = z.object({ id: nameParameter })

/** Requests: ask, look, review, cancel, comment; and more time for a grant. */
export function requestRoutes(services: HttpServices): Router {
  const router = newRouter()
  addAskRoutes(router, services)
  addReadingRoutes(router, services)
  addActingRoutes(router, services)
  return router
}

function addAskRoutes(router: Router, services: HttpServices): void {
  addRoute(router, services, {
    method: 'post',
    path: '/v1/requests/preview',
    tag,
    summary: 'What policy would say to an ask; stores nothing',
    authentication: 'session',
    limit: 'request',
    body: askSchema,
    status: 200,
    answer: previewSchema,
    run: ({ ctx, body }) => previewRequest(ctx, askOf(body)),
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/requests',
    tag,
    summary: 'Ask for a role; the same ask while one is pending answers 200 with the first',
    authentication: 'session',
    limit: 'request',
    body: askSchema,
    status: 201,
    statusOf,
    answer: requestSchema,
    run: ({ ctx, body }) => submitRequest(ctx, askOf(body)),
    render,
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/grants/{id}/extend',
    tag,
    summary: 'Ask for more time of a grant of your own',
    authentication: 'session',
    limit: 'request',
    params: oneRequest,
    body: extendSchema,
    status: 201,
    statusOf,
    answer: requestSchema,
    run: ({ ctx, params, body }) =>
      extendGrant(ctx, {
        grantId: params.id,
        durationSeconds: body.duration_seconds,
        justification: body.justification,
        ticket: body.ticket ?? undefined,
      }),
    render,
  })
}

function addReadingRoutes(router: Router, services: HttpServices): void {
  addRoute(router, services, {
    method: 'get',
    path: '/v1/requests',
    tag,
    summary: 'The requests that the caller may see, or can still review, newest first',
    authentication: 'session',
    query: listSchema,
    status: 200,
    answer: z.object({ items: z.array(requestSchema), next_cursor: z.string().nullable() }),
    run: ({ ctx, query: { to_review, ...query } }) =>
      listRequests(ctx, { ...query, isToReview: to_review === 'me' }),
  })
  addRoute(router, services, {
    method: 'get',
    path: '/v1/requests/{id}',
    tag,
    summary: 'One request',
    authentication: 'session',
    params: oneRequest,
    status: 200,
    answer: requestSchema,
    run: ({ ctx, params }) => getRequest(ctx, { requestId: params.id }),
  })
}

function addActingRoutes(router: Router, services: HttpServices): void {
  addRoute(router, services, {
    method: 'post',
    path: '/v1/requests/{id}/reviews',
    tag,
    summary: 'Approve or deny; an approval can only narrow',
    authentication: 'session',
    params: oneRequest,
    body: reviewSchema,
    status: 200,
    answer: requestSchema,
    run: ({ ctx, params, body }) =>
      reviewRequest(ctx, {
        requestId: params.id,
        verdict: body.verdict,
        comment: body.comment ?? undefined,
        scopes: body.scopes,
        durationSeconds: body.duration_seconds,
        version: body.version,
      }),
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/requests/{id}/cancel',
    tag,
    summary: 'Take a pending request of your own back',
    authentication: 'session',
    params: oneRequest,
    body: z.strictObject({}),
    status: 200,
    answer: requestSchema,
    run: ({ ctx, params }) => cancelRequest(ctx, { requestId: params.id }),
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/requests/{id}/comments',
    tag,
    summary: 'Say something about a request',
    authentication: 'session',
    params: oneRequest,
    body: z.strictObject({ text: z.string() }),
    status: 200,
    answer: requestSchema,
    run: ({ ctx, params, body }) => commentRequest(ctx, { requestId: params.id, text: body.text }),
  })
}

function askOf(body: z.output<typeof askSchema>): AskInput {
  return {
    role: body.role,
    scopes: body.scopes,
    durationSeconds: body.duration_seconds,
    justification: body.justification,
    ticket: body.ticket ?? undefined,
    startsAt: body.starts_at == null ? undefined : new Date(body.starts_at),
    isBreakGlass: body.is_break_glass,
  }
}

function statusOf({ isNew }: SubmittedRequest): 200 | 201 {
  return isNew ? 201 : 200
}

function render({ request }: SubmittedRequest): unknown {
  return request
}
