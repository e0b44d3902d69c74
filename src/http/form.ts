import type { Context } from 'hono'
import { HallpassError } from '../errors.ts'

/** Reads an `application/x-www-form-urlencoded` body; throws `unsupported_media_type` for another. */
export async function readForm(c: Context): Promise<URLSearchParams> {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') {
    throw new HallpassError(
      'unsupported_media_type',
      'Send the body as application/x-www-form-urlencoded.',
    )
  }
  return new URLSearchParams(await c.req.text())
}
