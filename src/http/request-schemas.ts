import { z } from '@hono/zod-openapi'

/** The states of a request. */
export const requestStateSchema = z.enum(['pending', 'approved', 'denied', 'cancelled', 'expired'])

const seatSchema = z.object({ from: z.array(z.string()), count: z.number().int() })

/** A request as it is answered. */
export const requestSchema = z
  .object({
    id: z.string(),
    state: requestStateSchema,
    subject: z.string(),
    resource: z.string(),
    role: z.string(),
    scopes: z.array(z.string()),
    requested_scopes: z.array(z.string()),
    duration_seconds: z.number().int(),
    requested_duration_seconds: z.number().int(),
    justification: z.string(),
    ticket: z.string().nullable(),
    policy: z.string(),
    catalog_version: z.number().int(),
    approval: z.array(seatSchema.extend({ approved_by: z.array(z.string()) })),
    eligible_reviewers: z.array(z.string()),
    reviews: z.array(
      z.object({
        id: z.string(),
        reviewer: z.string(),
        verdict: z.enum(['approve', 'deny']),
        comment: z.string().nullable(),
        scopes: z.array(z.string()).nullable(),
        duration_seconds: z.number().int().nullable(),
        at: z.iso.datetime(),
        via: z.string(),
      }),
    ),
    comments: z.array(
      z.object({
        id: z.string(),
        author: z.string(),
        text: z.string(),
        via: z.string(),
        at: z.iso.datetime(),
      }),
    ),
    grant_id: z.string().nullable(),
    extends_grant_id: z.string().nullable(),
    is_break_glass: z.boolean(),
    after_review: z.enum(['open', 'accepted', 'rejected']).nullable(),
    version: z.number().int(),
    created_at: z.iso.datetime(),
    answer_by: z.iso.datetime(),
    starts_at: z.iso.datetime().nullable(),
  })
  .openapi('Request')

/** What an ask would meet. */
export const previewSchema = z
  .object({
    decision: z.enum(['allow', 'review', 'deny']),
    policy: z.string().nullable(),
    reasons: z.array(z.object({ code: z.string(), message: z.string() })),
    approval: z.array(seatSchema),
    eligible_reviewers: z.array(z.string()),
    max_duration_seconds: z.number().int().nullable(),
  })
  .openapi('Preview')
