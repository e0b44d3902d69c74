import type { Services } from '../../src/context.ts'
import { type HttpServices, noRateLimits } from '../../src/http/index.ts'
import { createRevocationFeed } from '../../src/tokens/index.ts'

/** What routes need beside services, for tests of single route modules: no limits, and a feed that was never started. */
export function httpServices(services: Services): HttpServices {
  return {
    ...services,
    rateLimits: noRateLimits,
    isDevelopment: false,
    clientAddressOf: () => '127.0.0.1',
    revocationFeed: createRevocationFeed(services, {
      connectionString: 'postgres://localhost:1/none',
    }),
    stopping: new AbortController().signal,
  }
}
