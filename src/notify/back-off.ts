import { loggable } from '../errors.ts'
import { DeliveryFailure } from './notifier.ts'

const firstDelaySeconds = 1
const longestDelaySeconds = 600
/** With the delays below (1, 2, 4 … 512, then 600 s each) that is a little under 24 hours. */
export const maxAttemptCount = 150
const maxReasonLength = 300

/** What follows from a failed attempt. */
export type FailureOutcome =
  | { readonly state: 'waiting'; readonly delaySeconds: number; readonly reason: string }
  | { readonly state: 'undeliverable'; readonly reason: string }

/** Decides after the `attemptCount`-th attempt failed. The delay is without jitter. */
export function afterFailure(attemptCount: number, error: unknown): FailureOutcome {
  const reason = reasonOf(error)
  const isFinal = error instanceof DeliveryFailure && error.isFinal
  if (isFinal || attemptCount >= maxAttemptCount) return { state: 'undeliverable', reason }
  const asked = error instanceof DeliveryFailure ? (error.retryAfterSeconds ?? 0) : 0
  const delaySeconds = Math.min(
    longestDelaySeconds,
    Math.max(asked, firstDelaySeconds * 2 ** Math.min(attemptCount - 1, 20)),
  )
  return { state: 'waiting', delaySeconds, reason }
}

/** What may be stored and logged about it. */
function reasonOf(error: unknown): string {
  const reason = error instanceof DeliveryFailure ? error.message : loggable(error)
  return reason.replaceAll(/\p{Cc}/gu, ' ').slice(0, maxReasonLength)
}
