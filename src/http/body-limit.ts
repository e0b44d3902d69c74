import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { HttpEnvironment } from './routing.ts'

/**
 * Refuses bodies above `maxBytes`. Node holds a call to its Content-Length, so that only a body sent in chunks has to
 * be counted: looking at every body would cost more than all else that HTTP does.
 */
export function limitBody(
  maxBytes: number,
  refuse: (c: Parameters<MiddlewareHandler<HttpEnvironment>>[0]) => Response,
): MiddlewareHandler<HttpEnvironment> {
  const counted = bodyLimit({ maxSize: maxBytes, onError: refuse })
  return async (c, next) => {
    const length = c.req.header('content-length')
    if (c.req.header('transfer-encoding') !== undefined) return counted(c, next)
    if (length === undefined) return c.req.method === 'GET' ? next() : counted(c, next)
    return Number(length) > maxBytes ? refuse(c) : next()
  }
}
