import { z } from '@hono/zod-openapi'
import {
  keepPermission,
  reportUnusedPermissions,
  type UnusedPermissionReport,
} from '../usage/index.ts'
import { type CsvCell, toCsv } from './csv.ts'
import { nameParameter } from './parameters.ts'
import { addRoute, newRouter, type Router } from './routing.ts'
import type { HttpServices } from './services.ts'

const tag = 'Reports'

const unusedPermissionSchema = z
  .object({
    subject: z.string(),
    resource: z.string(),
    role: z.string(),
    granted_scopes: z.array(z.string()),
    used_scopes: z.array(z.string()),
    unused_scopes: z.array(z.string()),
    grant_count: z.number().int(),
    held_seconds: z.number().int(),
    use_count: z.number().int(),
    last_used_at: z.iso.datetime().nullable(),
    status: z.enum(['used', 'partly_used', 'unused', 'no_data']),
    suggestion: z
      .object({
        role: z.string(),
        scopes: z.array(z.string()),
        duration_seconds: z.number().int(),
      })
      .nullable(),
  })
  .openapi('UnusedPermission')

const unusedQuery = z.strictObject({
  window_days: z.coerce.number().int().min(1).max(365).default(90),
  format: z.enum(['json', 'csv']).default('json'),
  subject: nameParameter.optional(),
  resource: nameParameter.optional(),
})

const keepBody = z.strictObject({
  role: nameParameter,
  reason: z.string(),
  until: z.iso.datetime({ offset: true }),
})

/** Who holds what, and what of it is used. */
export function reportRoutes(services: HttpServices): Router {
  const router = newRouter()
  addRoute(router, services, {
    method: 'get',
    path: '/v1/reports/unused-permissions',
    tag,
    summary: 'What was held in the last days and what of it was used, as far as the caller may see',
    authentication: 'session',
    query: unusedQuery,
    status: 200,
    answer: z.object({
      items: z.array(unusedPermissionSchema),
      window_days: z.number().int(),
      generated_at: z.iso.datetime(),
    }),
    otherAnswers: { 'text/csv': z.string() },
    run: async ({ ctx, query: { window_days: windowDays, format, ...filter } }) => ({
      format,
      report: await reportUnusedPermissions(ctx, { ...filter, windowDays }),
    }),
    render: ({ format, report }) => (format === 'csv' ? csvAnswer(report) : report),
  })
  addRoute(router, services, {
    method: 'post',
    path: '/v1/reports/unused-permissions/keep',
    tag,
    summary: 'Leave a role of your own out of what the weekly report tells you, until a date',
    authentication: 'session',
    body: keepBody,
    status: 204,
    run: ({ ctx, body }) => keepPermission(ctx, { ...body, until: new Date(body.until) }),
  })
  return router
}

function csvAnswer({ items }: UnusedPermissionReport): Response {
  const columns = Object.entries(unusedPermissionColumns)
  const text = toCsv(
    columns.map(([name]) => name),
    items.map((item) => columns.map(([, cell]) => cell(item))),
  )
  return new Response(text, {
    headers: {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="unused-permissions.csv"',
      'Cache-Control': 'no-store',
    },
  })
}

const unusedPermissionColumns: Readonly<
  Record<string, (item: UnusedPermissionReport['items'][number]) => CsvCell>
> = {
  subject: (item) => item.subject,
  resource: (item) => item.resource,
  role: (item) => item.role,
  status: (item) => item.status,
  granted_scopes: (item) => item.grantedScopes,
  used_scopes: (item) => item.usedScopes,
  unused_scopes: (item) => item.unusedScopes,
  grant_count: (item) => item.grantCount,
  held_seconds: (item) => item.heldSeconds,
  use_count: (item) => item.useCount,
  last_used_at: (item) => item.lastUsedAt,
  suggested_role: (item) => item.suggestion?.role ?? null,
  suggested_scopes: (item) => item.suggestion?.scopes ?? null,
  suggested_duration_seconds: (item) => item.suggestion?.durationSeconds ?? null,
}
