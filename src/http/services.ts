import type { IncomingMessage } from 'node:http'
import type { Services } from '../context.ts'
import type { RevocationFeed } from '../tokens/index.ts'
import type { RateLimits } from './rate-limits.ts'

/** What the composition root hands to the routes beside the operations' services. */
export interface HttpServices extends Services {
  readonly rateLimits: RateLimits
  /** True only in development mode (CONTRACTS §8): then `/dev/*` exists. */
  readonly isDevelopment: boolean
  readonly revocationFeed: RevocationFeed
  /** Aborts when the broker begins to stop: streams close and waits end. */
  readonly stopping: AbortSignal
  /** The address that a call came from, behind trusted proxies. */
  readonly clientAddressOf: (incoming: IncomingMessage | undefined) => string
}
