import { z } from '@hono/zod-openapi'
import {
  getCheckpoint,
  getVerifierKey,
  listEntries,
  proveEntry,
  proveGrowth,
} from '../audit/reading/index.ts'
import { HallpassError } from '../errors.ts'
import { nameParameter } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Audit'

const entrySchema = z
  .object({
    position: z.number().int().nullable(),
    id: z.string(),
    at: z.iso.datetime(),
    action: z.string(),
    actor: z.object({ kind: z.string(), id: z.string(), via: z.string() }),
    subject: z.string().nullable(),
    resource: z.string().nullable(),
    request_id: z.string().nullable(),
    grant_id: z.string().nullable(),
    outcome: z.enum(['ok', 'refused']),
    code: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    hash: z.string(),
  })
  .openapi('AuditEntry')

const lastInstant = Date.UTC(9999, 11, 31)
const position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
/** Within the years that Postgres and RFC 3339 both know; no entry is older or younger. */
const instant = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(Math.min(Math.max(Date.parse(text), 0), lastInstant)))

const listQuery = z.strictObject({
  after: position.optional(),
  cursor: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  subject: nameParameter.optional(),
  action: nameParameter.optional(),
  grant: nameParameter.optional(),
  resource: nameParameter.optional(),
  from: instant.optional(),
  to: instant.optional(),
  unsealed: z.enum(['true', 'false']).optional(),
})

/** The audit log: entries, the newest signed checkpoint, and proofs against it. */
export function auditRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'get',
    path: '/v1/audit',
    tag,
    summary: 'Entries of the audit log, oldest first; `next_cursor` goes on as `after`',
    authentication: 'session',
    query: listQuery,
    status: 200,
    answer: z.object({ items: z.array(entrySchema), next_cursor: z.string().nullable() }),
    run: ({ ctx, query: { after, cursor, unsealed, ...filter } }) =>
      listEntries(ctx, {
        ...filter,
        after: cursor === undefined ? after : positionIn(cursor),
        isWithUnsealed: unsealed === 'true',
      }),
  })
  addTextRoute(router, services, {
    path: '/v1/audit/checkpoint',
    summary: 'The newest signed checkpoint (C2SP tlog-checkpoint), to be kept outside',
    run: getCheckpoint,
  })
  addTextRoute(router, services, {
    path: '/v1/audit/verifier-key',
    summary: 'The key that verifies every checkpoint (C2SP signed-note)',
    run: async (ctx) => `${await getVerifierKey(ctx)}\n`,
  })
  addProofRoutes(router, services)
  return router
}

function addTextRoute(
  router: Router,
  services: HttpServices,
  route: {
    readonly path: `/${string}`
    readonly summary: string
    readonly run: (ctx: Parameters<typeof getCheckpoint>[0]) => Promise<string>
  },
): void {
  addRoute(router, services, {
    method: 'get',
    path: route.path,
    tag,
    summary: route.summary,
    authentication: 'session',
    status: 200,
    otherAnswers: { 'text/plain': z.string() },
    run: ({ ctx }) => route.run(ctx),
    render: (text) =>
      new Response(text, {
        headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' },
      }),
  })
}

const hash = z.string()

function addProofRoutes(router: Router, services: HttpServices): void {
  addRoute(router, services, {
    method: 'get',
    path: '/v1/audit/inclusion',
    tag,
    summary: 'Proof that an entry is in the log of `size` entries (RFC 6962 section 2.1.1)',
    authentication: 'session',
    query: z.strictObject({ position, size: position.optional() }),
    status: 200,
    answer: z.object({
      position: z.number().int(),
      size: z.number().int(),
      hash,
      root: hash,
      proof: z.array(hash),
    }),
    run: ({ ctx, query }) => proveEntry(ctx, query),
  })
  addRoute(router, services, {
    method: 'get',
    path: '/v1/audit/consistency',
    tag,
    summary: 'Proof that the log only grew between two sizes (RFC 6962 section 2.1.2)',
    authentication: 'session',
    query: z.strictObject({ from: position, to: position.optional() }),
    status: 200,
    answer: z.object({
      from: z.number().int(),
      to: z.number().int(),
      from_root: hash,
      to_root: hash,
      proof: z.array(hash),
    }),
    run: ({ ctx, query }) => proveGrowth(ctx, query),
  })
}

function positionIn(cursor: string): number {
  if (/^(0|[1-9][0-9]{0,14})$/.test(cursor)) return Number(cursor)
  throw new HallpassError(
    'invalid_cursor',
    'This cursor is not from this list. Start again without one.',
  )
}
