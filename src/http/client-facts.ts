import type { Context } from 'hono'
import type { LimitedAct } from './rate-limits.ts'
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

/** Counts a page's visit by the address it came from; throws `rate_limited`. */
export async function limitPage(
  c: Context<HttpEnvironment>,
  services: HttpServices,
  act: LimitedAct,
): Promise<void> {
  await services.rateLimits.consume(act, services.clientAddressOf(c.env?.incoming))
}
