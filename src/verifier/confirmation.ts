import { BrokerReach } from './broker-reach.ts'
import type { Clock } from './clock.ts'
import type { Introspector } from './introspection.ts'
import type { WhenCutOff } from './revocation.ts'
import type { RevocationFeed } from './revocation-feed.ts'

/** `by_memory`: it is fresh after all. `cut_off`: neither memory nor the broker can tell. */
export type ConfirmationResult = 'by_memory' | 'active' | 'inactive' | 'cut_off'

const longestRequestMilliseconds = 2_000
const retryMilliseconds = 150

/** Finds out about a token while memory is not fresh. */
export class Confirmation {
  readonly #feed: RevocationFeed
  readonly #introspector: Introspector
  readonly #clock: Clock
  readonly #policy: () => WhenCutOff
  readonly #reach = new BrokerReach()
  readonly #createdAt: number

  constructor(
    feed: RevocationFeed,
    introspector: Introspector,
    clock: Clock,
    policy: () => WhenCutOff,
  ) {
    this.#feed = feed
    this.#introspector = introspector
    this.#clock = clock
    this.#policy = policy
    this.#createdAt = clock.monotonic()
  }

  /** The monotonic time since when neither way to the broker works; undefined while one does. */
  get cutOffSince(): number | undefined {
    return this.#feed.state === 'fresh' ? undefined : this.#reach.failingSince
  }

  /** Memory is fresh: the broker is there. */
  reached(): void {
    this.#reach.answered()
  }

  /** Never rejects, and takes little more than three seconds at most. */
  async confirm(
    digest: string,
    token: string,
    scope: string | undefined,
  ): Promise<ConfirmationResult> {
    if (await this.#feed.isFreshAfterReading()) return 'by_memory'
    for (;;) {
      const now = this.#clock.monotonic()
      if (this.#reach.resortAt(now, this.#policy()) === 'decide_by_policy') {
        if (this.#reach.takeProbe(now)) void this.#ask(digest, token, scope)
        return 'cut_off'
      }
      const asking = this.#ask(digest, token, scope)
      const answer = await this.#unlessFresh(asking)
      if (answer === 'fresh') return 'by_memory'
      if (answer !== 'unavailable') return answer
      if (await this.#feed.untilFresh(retryMilliseconds)) return 'by_memory'
    }
  }

  async #ask(digest: string, token: string, scope: string | undefined) {
    const askedAt = this.#clock.monotonic()
    const patience = this.#reach.patienceAt(askedAt)
    const timeout =
      patience > 0 ? Math.min(patience, longestRequestMilliseconds) : longestRequestMilliseconds
    const answer = await this.#introspector.ask(digest, token, scope, timeout)
    if (answer === 'unavailable') {
      // whoever waited for the first snapshot has been patient already
      const since = this.#feed.proof === undefined ? this.#createdAt : askedAt
      this.#reach.failed(since, this.#clock.monotonic())
    } else {
      if (this.#reach.failingSince !== undefined) this.#feed.poke()
      this.#reach.answered()
    }
    return answer
  }

  #unlessFresh<T>(asking: Promise<T>): Promise<T | 'fresh'> {
    return new Promise((resolve) => {
      const forget = this.#feed.onceFresh(() => resolve('fresh'))
      void asking.then((answer) => {
        forget()
        resolve(answer)
      })
    })
  }
}
