import type { RecordedDecision } from './activity-event.ts'

/** Refusals without a genuine token may fill this share, so that a flood of them displaces nothing else. */
const unprovenShare = 0.1

/** Decisions that wait to be sent, in order, never more than `capacity`. What does not fit is counted. */
export class ActivityBuffer {
  readonly #capacity: number
  #waiting: RecordedDecision[] = []
  #unprovenCount = 0
  #lostCount = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#waiting.length
  }

  get lostCount(): number {
    return this.#lostCount
  }

  hasRoom(isProven: boolean): boolean {
    return (
      this.#waiting.length < this.#capacity &&
      (isProven || this.#unprovenCount < this.#capacity * unprovenShare)
    )
  }

  add(decision: RecordedDecision): void {
    const isProven = decision.bearer !== undefined
    if (!this.hasRoom(isProven)) {
      this.lose(1)
      return
    }
    if (!isProven) this.#unprovenCount += 1
    this.#waiting.push(decision)
  }

  /** Takes out the oldest. */
  take(limit: number): readonly RecordedDecision[] {
    const taken = this.#waiting.splice(0, limit)
    for (const { bearer } of taken) if (bearer === undefined) this.#unprovenCount -= 1
    return taken
  }

  /** Counts what had no room, or was taken out and could not be delivered. */
  lose(count: number): void {
    this.#lostCount += count
  }
}
