import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { HallpassError } from '../errors.ts'
import {
  type CreatedSession,
  describeMe,
  developmentSignIn,
  endSession,
  listSessions,
  type SessionView,
  signOut,
} from '../identity/index.ts'
import { clientFacts } from './client-facts.ts'
import { requireLocalCaller } from './development-guard.ts'
import { nameParameter } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Identity'

const meSchema = z
  .object({
    subject: z.string(),
    kind: z.enum(['person', 'workload']),
    groups: z.array(z.string()),
    is_admin: z.boolean(),
    expires_at: z.iso.datetime().nullable(),
  })
  .openapi('Me')

const sessionSchema = z
  .object({
    id: z.string(),
    via: z.string(),
    authenticated_by: z.string(),
    created_at: z.iso.datetime(),
    last_seen_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    client_address: z.string().nullable(),
    user_agent: z.string().nullable(),
    is_current: z.boolean(),
  })
  .openapi('Session')

const tokenSchema = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.number().int(),
  })
  .openapi('SessionToken')

/** `/v1/me`, its sessions, sign-out; in development mode also `/dev/sign-in`. */
export function identityRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'get',
    path: '/v1/me',
    tag,
    summary: 'Who the caller is',
    authentication: 'session',
    status: 200,
    answer: meSchema,
    run: ({ ctx }) => describeMe(ctx),
  })
  addSessionRoutes(router, services)
  if (services.isDevelopment) addDevelopmentRoutes(router, services)
  return router
}

function addSessionRoutes(router: Router, services: HttpServices): void {
  addRoute(router, services, {
    method: 'get',
    path: '/v1/me/sessions',
    tag,
    summary: "The caller's own live sessions, newest first",
    authentication: 'session',
    query: z.strictObject({
      limit: z.coerce.number().int().min(1).max(200).default(50),
      cursor: z.string().optional(),
    }),
    status: 200,
    answer: z.object({ items: z.array(sessionSchema), next_cursor: z.string().nullable() }),
    run: async ({ ctx, query: { limit, cursor } }) => {
      const sessions = await listSessions(ctx, { limit: limit + 1, before: sessionIdIn(cursor) })
      return pageOf(sessions, limit)
    },
  })
  addRoute(router, services, {
    method: 'delete',
    path: '/v1/me/sessions/{id}',
    tag,
    summary: 'End one of your own sessions',
    authentication: 'session',
    params: z.object({ id: nameParameter }),
    status: 204,
    run: ({ ctx, params }) => endSession(ctx, params.id),
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/sign-out',
    tag,
    summary: 'End the session that this call came with',
    authentication: 'session',
    body: z.strictObject({}),
    status: 204,
    run: ({ ctx }) => signOut(ctx),
  })
}

function addDevelopmentRoutes(router: Router, services: HttpServices): void {
  router.use('/dev/*', async (c, next) => {
    requireLocalCaller(c)
    requireJson(c)
    await next()
  })
  addRoute(router, services, {
    method: 'post',
    path: '/dev/sign-in',
    tag: 'Development',
    summary: 'Sign in as anybody the catalog names, without proof (development mode)',
    authentication: 'none',
    limit: 'sign_in',
    body: z.strictObject({ subject: z.string().min(1).max(254) }),
    status: 200,
    answer: tokenSchema,
    run: ({ ctx, body, c }) =>
      developmentSignIn(ctx, { subject: body.subject, via: 'api', ...clientFacts(c, services) }),
    render: sessionToken,
  })
}

/** RFC 6749 §5.1 */
function sessionToken({ accessToken, expiresIn }: CreatedSession): unknown {
  return { accessToken, tokenType: 'Bearer', expiresIn }
}

function requireJson(c: Context): void {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new HallpassError('unsupported_media_type', 'Send the body as application/json.')
  }
}

function pageOf(found: readonly SessionView[], limit: number): object {
  const items = found.slice(0, limit)
  return { items, nextCursor: found.length > limit ? (items.at(-1)?.id ?? null) : null }
}

/** Sessions are listed by id, newest first, so the last id of a page is its cursor. */
function sessionIdIn(cursor: string | undefined): string | undefined {
  if (cursor === undefined || /^ses_[0-9A-HJKMNP-TV-Z]{26}$/.test(cursor)) return cursor
  throw new HallpassError('invalid_cursor', 'This cursor is not from this list. Start without one.')
}
