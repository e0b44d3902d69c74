import type { Context, MiddlewareHandler } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { HttpEnvironment } from './routing.ts'

/** What `secureHeaders` adds, for answers that are made with it at once. */
const securityHeaders = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'Referrer-Policy': 'no-referrer',
  'Strict-Transport-Security': 'max-age=15552000; includeSubDomains',
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '0',
} as const

/** Puts the security headers on every answer that does not bring them along. */
export function addSecurityHeaders(): MiddlewareHandler<HttpEnvironment> {
  const add = secureHeaders({ xFrameOptions: 'DENY' })
  return async (c, next) => {
    await next()
    if (c.get('hasSecurityHeaders') !== true) await add(c, async () => {})
  }
}

/**
 * A JSON answer with its security headers, as plain as Node can write it: headers that are set on it later make it
 * several times as dear. Headers set on the context before do not come along.
 */
export function answerJson(
  c: Context<HttpEnvironment>,
  body: unknown,
  status: ContentfulStatusCode,
  headers: Readonly<Record<string, string>>,
): Response {
  c.set('hasSecurityHeaders', true)
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...securityHeaders, ...headers },
  })
}
