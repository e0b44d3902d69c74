import { z } from 'zod'

/*
 * What CONTRACTS §§4–5 say of every answer, written from that page: exactly these members, no other, none missing.
 */

const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
const id = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[0-9A-HJKMNP-TV-Z]{26}$`))
const seconds = z.number().int().min(0)
const count = z.number().int().min(0)
const subject = z.string().regex(/^(workload:[a-z0-9-]+|[^@\s]+@[^@\s]+)$/)
const person = z.string().regex(/^[^@\s]+@[^@\s]+$/)
const scopes = z.array(z.string().min(1)).min(1)
const via = z.enum(['api', 'cli', 'browser', 'slack', 'client_credentials', 'device', 'job'])

export const meShape = z.strictObject({
  subject,
  kind: z.enum(['person', 'workload']),
  groups: z.array(z.string()),
  is_admin: z.boolean(),
  expires_at: instant,
})

export const sessionTokenShape = z.strictObject({
  access_token: z.string().regex(/^hps_[A-Za-z0-9_-]{43}$/),
  token_type: z.literal('Bearer'),
  expires_in: seconds.min(1),
})

const sessionShape = z.strictObject({
  id: id('ses'),
  via,
  authenticated_by: z.string(),
  created_at: instant,
  last_seen_at: instant,
  expires_at: instant,
  client_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  is_current: z.boolean(),
})

const page = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), next_cursor: z.string().min(1).nullable() })

export const sessionsShape = page(sessionShape)

export const catalogShape = z.strictObject({
  version: z.number().int().min(1),
  resources: z.array(
    z.strictObject({
      name: z.string(),
      title: z.string(),
      audience: z.url(),
      owner: z.string(),
      sensitivity: z.enum(['low', 'medium', 'high']),
      scopes: z.record(z.string(), z.string()),
    }),
  ),
  roles: z.array(
    z.strictObject({
      name: z.string(),
      resource: z.string(),
      scopes,
      is_self_service: z.boolean(),
      seat_count: count,
      max_duration_seconds: seconds.min(1),
      default_duration_seconds: seconds.min(1),
    }),
  ),
})

const seat = { from: z.array(z.string()).min(1), count: z.number().int().min(1) }
const reasons = z.array(z.strictObject({ code: z.string(), message: z.string() }))

export const previewShape = z.strictObject({
  decision: z.enum(['allow', 'review', 'deny']),
  policy: z.string().nullable(),
  reasons: reasons.min(1),
  approval: z.array(z.strictObject(seat)),
  eligible_reviewers: z.array(person),
  max_duration_seconds: seconds.min(1).nullable(),
})

export const requestShape = z.strictObject({
  id: id('req'),
  state: z.enum(['pending', 'approved', 'denied', 'cancelled', 'expired']),
  subject,
  resource: z.string(),
  role: z.string(),
  scopes,
  requested_scopes: scopes,
  duration_seconds: seconds.min(1),
  requested_duration_seconds: seconds.min(1),
  justification: z.string(),
  ticket: z.string().nullable(),
  policy: z.string(),
  catalog_version: z.number().int().min(1),
  approval: z.array(z.strictObject({ ...seat, approved_by: z.array(person) })),
  eligible_reviewers: z.array(person),
  reviews: z.array(
    z.strictObject({
      id: id('rev'),
      reviewer: person,
      verdict: z.enum(['approve', 'deny']),
      comment: z.string().nullable(),
      scopes: scopes.nullable(),
      duration_seconds: seconds.min(1).nullable(),
      at: instant,
      via,
    }),
  ),
  comments: z.array(
    z.strictObject({ id: id('cmt'), author: subject, text: z.string(), via, at: instant }),
  ),
  grant_id: id('grt').nullable(),
  extends_grant_id: id('grt').nullable(),
  is_break_glass: z.boolean(),
  after_review: z.enum(['open', 'accepted', 'rejected']).nullable(),
  version: z.number().int().min(1),
  created_at: instant,
  answer_by: instant,
  starts_at: instant.nullable(),
})

export const requestsShape = page(requestShape)

export const grantShape = z.strictObject({
  id: id('grt'),
  request_id: id('req'),
  subject,
  resource: z.string(),
  audience: z.url(),
  role: z.string(),
  scopes,
  state: z.enum(['scheduled', 'active', 'suspended', 'revoked', 'released', 'expired']),
  starts_at: instant,
  ends_at: instant,
  ended_at: instant.nullable(),
  ended_by: z.string().nullable(),
  end_reason: z.string().nullable(),
  last_used_at: instant.nullable(),
})

export const grantsShape = page(grantShape)

export const tokenShape = z.strictObject({
  access_token: z.string().regex(/^[\w-]+\.[\w-]+\.[\w-]+$/),
  token_type: z.literal('Bearer'),
  expires_in: seconds.min(1),
  scope: z.string().min(1),
  grant_id: id('grt'),
  authorization_expires_in: seconds.min(1),
})

export const endedShape = z.strictObject({ grants_revoked: count })

export const createdCredentialShape = z.strictObject({
  client_id: z.string().min(1),
  client_secret: z.string().min(40),
})

export const credentialsShape = z.strictObject({
  items: z.array(
    z.strictObject({
      client_id: z.string().min(1),
      created_at: instant,
      created_by: z.string(),
      last_used_at: instant.nullable(),
    }),
  ),
})

export const auditShape = page(
  z.strictObject({
    position: z.number().int().min(0).nullable(),
    id: id('aud'),
    at: instant,
    action: z.string().regex(/^[a-z]+(-[a-z]+)*$/),
    actor: z.strictObject({ kind: z.string(), id: z.string(), via: z.string() }),
    subject: z.string().nullable(),
    resource: z.string().nullable(),
    request_id: id('req').nullable(),
    grant_id: id('grt').nullable(),
    outcome: z.enum(['ok', 'refused']),
    code: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    hash: z.string().min(40),
  }),
)

export const unusedPermissionsShape = z.strictObject({
  items: z.array(
    z.strictObject({
      subject,
      resource: z.string(),
      role: z.string(),
      granted_scopes: z.array(z.string()),
      used_scopes: z.array(z.string()),
      unused_scopes: z.array(z.string()),
      grant_count: count,
      held_seconds: seconds,
      use_count: count,
      last_used_at: instant.nullable(),
      status: z.enum(['used', 'partly_used', 'unused', 'no_data']),
      suggestion: z
        .strictObject({ role: z.string(), scopes: z.array(z.string()), duration_seconds: seconds })
        .nullable(),
    }),
  ),
  window_days: z.number().int().min(1),
  generated_at: instant,
})

const problemMembers = {
  type: z.string().min(1),
  title: z.string().min(1),
  status: z.number().int().min(400).max(599),
  code: z.string().regex(/^[a-z_]+$/),
  detail: z.string().min(5),
}

/** An RFC 9457 problem with these members beside its own. */
export function problemShape(more: Readonly<Record<string, z.ZodType>> = {}): z.ZodType {
  return z.strictObject({ ...problemMembers, ...more })
}

export const problemMore = {
  errors: z.array(z.strictObject({ pointer: z.string(), message: z.string().min(1) })).min(1),
  reasons: reasons.min(1),
  retryAfter: seconds.min(1),
  requestId: id('req'),
  clientId: z.string().min(1),
}

export const introspectionShape = z.union([
  z.strictObject({ active: z.literal(false) }),
  z.strictObject({
    active: z.literal(true),
    scope: z.string(),
    client_id: z.string(),
    token_type: z.string(),
    exp: seconds,
    iat: seconds,
    nbf: seconds,
    sub: subject,
    aud: z.url(),
    iss: z.url(),
    jti: id('jti'),
    grant_id: id('grt'),
  }),
])

/** Claims of an access token (RFC 9068). */
export const claimsShape = z.strictObject({
  iss: z.url(),
  sub: subject,
  aud: z.url(),
  client_id: z.string(),
  scope: z.string(),
  iat: seconds,
  nbf: seconds,
  exp: seconds,
  jti: id('jti'),
  grant_id: id('grt'),
})
