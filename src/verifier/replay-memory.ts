import { proofLifetimeMilliseconds, proofToleranceMilliseconds } from './proof.ts'

/** A proof is timely for at most this long, counted from when it was seen first. */
const generationMilliseconds = proofLifetimeMilliseconds + proofToleranceMilliseconds
const largestGeneration = 200_000

/** Remembers every proof for as long as it could be presented again, in two generations of bounded size. */
export class ReplayMemory {
  #young = new Set<string>()
  #old = new Set<string>()
  #youngSince = Number.NEGATIVE_INFINITY

  /** `full` means that the proof could not be remembered, and so must not count. `monotonic` is in ms. */
  remember(identity: string, monotonic: number): 'new' | 'seen' | 'full' {
    if (monotonic - this.#youngSince >= generationMilliseconds) {
      this.#old =
        monotonic - this.#youngSince < 2 * generationMilliseconds ? this.#young : new Set()
      this.#young = new Set()
      this.#youngSince = monotonic
    }
    if (this.#young.has(identity) || this.#old.has(identity)) return 'seen'
    if (this.#young.size >= largestGeneration) return 'full'
    this.#young.add(identity)
    return 'new'
  }
}
