import { z } from '@hono/zod-openapi'

/** An id or a name in a path or query: what the database could not hold is refused before it sees it. */
export const nameParameter = z
  .string()
  .max(254, 'must have at most 254 characters')
  // no pattern of JSON Schema, which knows no flags
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), 'must not have control characters')

/** `{reason}` of every act that stops or ends access; the operation checks its length and characters. */
export const reasonBody = z.strictObject({ reason: z.string() })
