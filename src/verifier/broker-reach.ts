import type { WhenCutOff } from './revocation.ts'

/** A broker that restarts is waited for this long before a valid call is refused. */
const patienceMilliseconds = 3_000
const probeEveryMilliseconds = 1_000

/** What to do with a call whose token memory cannot vouch for. */
export type Resort = 'ask' | 'decide_by_policy'

/**
 * Whether asking the broker is worth the wait. One that has failed for three seconds is asked once a second in the
 * background, and calls are decided by policy at once. Times are ms of the monotonic clock.
 */
export class BrokerReach {
  #failingSince: number | undefined
  #failedAt = 0
  #probedAt = Number.NEGATIVE_INFINITY

  /** When asking began to fail; undefined while it works. */
  get failingSince(): number | undefined {
    return this.#failingSince
  }

  answered(): void {
    this.#failingSince = undefined
  }

  /** `askedAt` is when the request that failed was sent. */
  failed(askedAt: number, now: number): void {
    this.#failingSince ??= askedAt
    this.#failedAt = now
  }

  resortAt(now: number, policy: WhenCutOff): Resort {
    if (this.#failingSince === undefined) return 'ask'
    if (now - this.#failingSince >= patienceMilliseconds) return 'decide_by_policy'
    // accepting takes nothing from the caller, so it need not wait
    const isRecent = now - this.#failedAt < probeEveryMilliseconds
    return policy === 'accept_until_expiry' && isRecent ? 'decide_by_policy' : 'ask'
  }

  /** How long one request may take, in ms, so that nobody waits for longer than our patience. */
  patienceAt(now: number): number {
    return patienceMilliseconds - (now - (this.#failingSince ?? now))
  }

  /** True when it is this caller's turn to probe. */
  takeProbe(now: number): boolean {
    if (now - this.#probedAt < probeEveryMilliseconds) return false
    this.#probedAt = now
    return true
  }
}
