import type { Context } from 'hono'
import type { HttpEnvironment } from './routing.ts'
import type { HttpServices } from './services.ts'

/** What a session remembers of where it was opened. */
export function clientFacts(
  c: Context<HttpEnvironment>,
  services: HttpServices,
): { readonly clientAddress: string; readonly userAgent: string | undefined } {
  return {
    clientAddress: services.clientAddressOf(c.env?.incoming),
    userAgent: c.req.header('user-agent'),
  }
}
