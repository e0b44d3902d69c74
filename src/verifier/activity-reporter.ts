import { randomUUID } from 'node:crypto'
import { ActivityBuffer } from './activity-buffer.ts'
import { type RecordedDecision, toWireEvent } from './activity-event.ts'
import { retryDelay } from './back-off.ts'
import { type BrokerClient, BrokerRefusal } from './broker-client.ts'
import type { Clock } from './clock.ts'
import { parseJsonObject } from './json.ts'
import type { ActivityStatus } from './verifier.ts'
import { Waiters } from './waiters.ts'

export interface ActivityObserver {
  onLost(count: number): void
  onActivityFailed(error: unknown): void
}

/** One batch on its way; a repetition carries the same number and so counts once. */
interface Batch {
  readonly decisions: readonly RecordedDecision[]
  readonly body: string
}

const batchSize = 1_000
const sendEveryMilliseconds = 1_000
const sendTimeoutMilliseconds = 5_000
const farewellMilliseconds = 5_000

/** Tells the broker of decisions in batches, off the path of the requests. */
export class ActivityReporter {
  readonly #broker: BrokerClient
  readonly #clock: Clock
  readonly #observer: ActivityObserver
  readonly #buffer: ActivityBuffer
  /** Names this run; sequences count from 1 in it. */
  readonly #source = randomUUID()
  readonly #wake = new Waiters()
  #timer: NodeJS.Timeout | undefined
  #sequence = 0
  #eventNumber = 0
  #sentCount = 0
  #rejectedCount = 0
  #toldLost = 0
  #sending: Promise<void> | undefined
  #isDue = false
  #deadline = Number.POSITIVE_INFINITY

  constructor(broker: BrokerClient, clock: Clock, observer: ActivityObserver, capacity: number) {
    this.#broker = broker
    this.#clock = clock
    this.#observer = observer
    this.#buffer = new ActivityBuffer(capacity)
  }

  get status(): ActivityStatus {
    return {
      waitingCount: this.#buffer.size,
      sentCount: this.#sentCount,
      lostCount: this.#buffer.lostCount,
      rejectedCount: this.#rejectedCount,
    }
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), sendEveryMilliseconds).unref()
  }

  /** False when a decision would be lost; then it is counted as such already. */
  hasRoom(isProven: boolean): boolean {
    const hasRoom = this.#buffer.hasRoom(isProven)
    if (!hasRoom) this.#buffer.lose(1)
    return hasRoom
  }

  /** Returns at once and never throws. */
  record(decision: RecordedDecision): void {
    this.#buffer.add(decision)
    if (this.#isDue || this.#buffer.size < batchSize || this.#sending !== undefined) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      void this.#send()
    })
  }

  /** Sends what waits, for at most 5 s; what is left then is lost. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#deadline = this.#clock.monotonic() + farewellMilliseconds
    this.#wake.wakeAll()
    await this.#send()
    await this.#send()
    this.#buffer.lose(this.#buffer.take(this.#buffer.size).length)
    this.#tellLost()
  }

  #tick(): void {
    this.#tellLost()
    void this.#send()
  }

  #tellLost(): void {
    const count = this.#buffer.lostCount - this.#toldLost
    if (count === 0) return
    this.#toldLost += count
    this.#observer.onLost(count)
  }

  #send(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async #sendAll(): Promise<void> {
    while (this.#buffer.size > 0 && !this.#isOver()) {
      const decisions = this.#buffer.take(batchSize)
      if (!(await this.#deliver(this.#batchOf(decisions)))) this.#buffer.lose(decisions.length)
    }
  }

  #batchOf(decisions: readonly RecordedDecision[]): Batch {
    this.#sequence += 1
    const events = decisions.map((decision) => {
      this.#eventNumber += 1
      return toWireEvent(`${this.#source}-${this.#eventNumber}`, decision)
    })
    const body = JSON.stringify({ source: this.#source, sequence: this.#sequence, events })
    return { decisions, body }
  }

  /** Repeats until the broker has it, has refused it, or there is no time left. */
  async #deliver({ decisions, body }: Batch): Promise<boolean> {
    for (let failureCount = 1; ; failureCount += 1) {
      try {
        const text = await this.#broker.fetchText('/v1/activity', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body,
          timeoutMilliseconds: this.#timeout(),
        })
        const rejected = parseJsonObject(text)?.rejected
        const rejectedCount = Array.isArray(rejected) ? rejected.length : 0
        this.#rejectedCount += rejectedCount
        this.#sentCount += decisions.length - rejectedCount
        return true
      } catch (error) {
        this.#observer.onActivityFailed(error)
        if (isFinal(error)) return false
        const asked = error instanceof BrokerRefusal ? (error.retryAfterSeconds ?? 0) * 1000 : 0
        const delay = Math.max(asked, retryDelay(failureCount, this.#clock.random()))
        await this.#wake.wait(Math.min(delay, this.#timeLeft()))
        if (this.#isOver()) return false
      }
    }
  }

  #timeLeft(): number {
    return Math.max(0, this.#deadline - this.#clock.monotonic())
  }

  #timeout(): number {
    return Math.min(sendTimeoutMilliseconds, this.#timeLeft())
  }

  #isOver(): boolean {
    return this.#timeLeft() <= 0
  }
}

/** The broker understood the batch and will never take it. A refused credential may be replaced. */
function isFinal(error: unknown): boolean {
  return error instanceof BrokerRefusal && [400, 413, 415, 422].includes(error.status)
}
