import { RateLimiterMemory } from 'rate-limiter-flexible'
import { HallpassError } from '../errors.ts'

/** What is counted, each by its own key. */
export type LimitedAct = 'sign_in' | 'token' | 'request' | 'introspection' | 'page'

/** Bounds on how often one key may do an act, per replica. */
export interface RateLimits {
  /** Throws `rate_limited` with the time to wait. */
  consume(act: LimitedAct, key: string): Promise<void>
}

const limits: Record<LimitedAct, { points: number; seconds: number }> = {
  sign_in: { points: 30, seconds: 60 },
  token: { points: 600, seconds: 60 },
  request: { points: 120, seconds: 60 },
  introspection: { points: 60_000, seconds: 60 },
  page: { points: 300, seconds: 60 },
}

export function memoryRateLimits(): RateLimits {
  const limiters = new Map(
    Object.entries(limits).map(([act, { points, seconds }]) => [
      act,
      new RateLimiterMemory({ keyPrefix: act, points, duration: seconds }),
    ]),
  )
  return {
    consume: async (act, key) => {
      try {
        await limiters.get(act)?.consume(key)
      } catch (refused) {
        throw new HallpassError('rate_limited', 'Too many calls. Wait, then try again.', {
          retryAfterSeconds: waitOf(refused),
        })
      }
    },
  }
}

/** For measurements and tests: HALLPASS_RATE_LIMITS=off. */
export const noRateLimits: RateLimits = { consume: async () => {} }

function waitOf(refused: unknown): number {
  const milliseconds =
    typeof refused === 'object' && refused !== null && 'msBeforeNext' in refused
      ? Number(refused.msBeforeNext)
      : 1000
  return Math.max(1, Math.ceil(milliseconds / 1000))
}
