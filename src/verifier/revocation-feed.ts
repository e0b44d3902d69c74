import { reconnectDelay } from './back-off.ts'
import { type BrokerClient, BrokerRefusal } from './broker-client.ts'
import type { Clock } from './clock.ts'
import { EventStreamParser, type StreamEvent } from './event-stream.ts'
import {
  databaseTimeOf,
  type FeedProof,
  type MemoryState,
  memoryStateOf,
  proofOfSnapshot,
  type Reading,
  withHeartbeat,
} from './freshness.ts'
import {
  type Revocation,
  readHeartbeat,
  readRevocation,
  readSnapshot,
  type WhenCutOff,
} from './revocation.ts'
import type { RevocationSet } from './revocation-set.ts'
import { socketTurn } from './socket-turn.ts'
import { Waiters } from './waiters.ts'

export interface FeedObserver {
  onMemory(from: MemoryState, to: MemoryState): void
  /** A revocation that was pushed, not one that a snapshot told again. */
  onRevocation(revocation: Revocation, proof: FeedProof, now: Reading): void
  onConnected(): void
  onFeedLost(error: unknown): void
}

const watchEveryMilliseconds = 250
/** Heartbeats come every 1–2 s. A stream that is silent for longer is given up while memory is still fresh. */
const silentStreamMilliseconds = 3_000
/** A new beginning every ten minutes: two clocks that run unequally would spoil an old one. */
const renewAfterMilliseconds = 600_000
const steadyStreamMilliseconds = 5_000
const forgetEveryMilliseconds = 30_000

/** What ends a stream on purpose; the next is opened at once. */
class Renewal extends Error {}

/** Follows the broker's revocations and knows how old its knowledge is. */
export class RevocationFeed {
  readonly #broker: BrokerClient
  readonly #clock: Clock
  readonly #set: RevocationSet
  readonly #observer: FeedObserver
  readonly #fresh = new Waiters()
  readonly #retry = new Waiters()
  #proof: FeedProof | undefined
  #state: MemoryState = 'lost'
  #whenCutOff: WhenCutOff | undefined
  #stream: AbortController | undefined
  #openedAt = 0
  #heardAt = 0
  #forgotAt = 0
  #watch: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(broker: BrokerClient, clock: Clock, set: RevocationSet, observer: FeedObserver) {
    this.#broker = broker
    this.#clock = clock
    this.#set = set
    this.#observer = observer
  }

  get proof(): FeedProof | undefined {
    return this.#proof
  }

  /** As it was judged last; may lag behind `isFreshAt` by a turn of the event loop. */
  get state(): MemoryState {
    return this.#state
  }

  /** As the broker said last; undefined before the first snapshot. */
  get whenCutOff(): WhenCutOff | undefined {
    return this.#whenCutOff
  }

  isFreshAt(now: Reading): boolean {
    return memoryStateOf(this.#proof, now) === 'fresh'
  }

  /** Whether it is fresh once everything that has arrived is read. */
  async isFreshAfterReading(): Promise<boolean> {
    await socketTurn()
    this.#judge()
    return this.#isFresh()
  }

  start(): void {
    this.#watch = setInterval(() => this.#look(), watchEveryMilliseconds).unref()
    void this.#run()
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#watch)
    this.#stream?.abort()
    this.#retry.wakeAll()
    this.#fresh.wakeAll()
  }

  /** True as soon as memory is fresh; false when it is not within the time. */
  async untilFresh(milliseconds: number): Promise<boolean> {
    if (!this.#isFresh()) await this.#fresh.wait(milliseconds)
    return this.#isFresh()
  }

  /** Calls back when memory becomes fresh; returns how to be forgotten. */
  onceFresh(listener: () => void): () => void {
    return this.#fresh.add(listener)
  }

  /** Tries again now: there is reason to believe that the broker answers. */
  poke(): void {
    this.#retry.wakeAll()
  }

  async #run(): Promise<void> {
    let failingSince: number | undefined
    while (!this.#isStopped) {
      const startedAt = this.#clock.monotonic()
      const error = await this.#follow()
      if (this.#isStopped) return
      if (error instanceof Renewal) continue
      this.#observer.onFeedLost(error)
      const endedAt = this.#clock.monotonic()
      if (endedAt - startedAt >= steadyStreamMilliseconds && this.#heardAt > startedAt) {
        failingSince = endedAt
      }
      failingSince ??= startedAt
      const asked = error instanceof BrokerRefusal ? (error.retryAfterSeconds ?? 0) * 1000 : 0
      const delay = reconnectDelay(endedAt - failingSince, this.#clock.random())
      await this.#retry.wait(Math.max(delay, Math.min(asked, 30_000)))
    }
  }

  /** Follows one stream to its end, and says why it ended. */
  async #follow(): Promise<unknown> {
    const stream = new AbortController()
    this.#stream = stream
    const requestedAt = this.#clock.monotonic()
    this.#openedAt = requestedAt
    this.#heardAt = requestedAt
    let hasSnapshot = false
    try {
      const body = await this.#broker.openStream('/v1/revocations/stream', stream.signal)
      const parser = new EventStreamParser()
      const decoder = new TextDecoder()
      for await (const chunk of body) {
        if (stream.signal.aborted) break
        this.#heardAt = this.#clock.monotonic()
        for (const event of parser.push(decoder.decode(chunk, { stream: true }))) {
          if (event.name === 'snapshot') this.#takeSnapshot(JSON.parse(event.data), requestedAt)
          // what comes before the snapshot builds on nothing
          else if (hasSnapshot) this.#take(event)
          hasSnapshot ||= event.name === 'snapshot'
        }
        // the first heartbeats of many that waited are old: only good news is drawn from a part
        if (this.isFreshAt(this.#read())) this.#judge()
      }
      return stream.signal.aborted
        ? stream.signal.reason
        : new Error('The broker ended the stream.')
    } catch (error) {
      return stream.signal.aborted ? stream.signal.reason : error
    } finally {
      stream.abort()
    }
  }

  #take({ name, data }: StreamEvent): void {
    if (name === 'revoke') this.#takeRevocation(JSON.parse(data))
    if (name === 'heartbeat') this.#takeHeartbeat(JSON.parse(data))
  }

  #takeSnapshot(value: unknown, requestedAt: number): void {
    const snapshot = readSnapshot(value)
    if (snapshot === undefined) throw new TypeError('The broker sent a snapshot that is none.')
    for (const revocation of snapshot.revocations) this.#set.add(revocation)
    this.#whenCutOff = snapshot.whenCutOff
    this.#proof = proofOfSnapshot(snapshot.asOf, requestedAt, this.#read())
    this.#observer.onConnected()
  }

  #takeRevocation(value: unknown): void {
    const revocation = readRevocation(value)
    // half understood is not understood: begin again with a snapshot
    if (revocation === undefined) throw new TypeError('The broker sent a revocation that is none.')
    if (!this.#set.add(revocation) || this.#proof === undefined) return
    this.#observer.onRevocation(revocation, this.#proof, this.#read())
  }

  #takeHeartbeat(value: unknown): void {
    const at = readHeartbeat(value)
    if (at === undefined || this.#proof === undefined) {
      throw new TypeError('The broker sent a heartbeat that is none.')
    }
    const now = this.#read()
    this.#proof = withHeartbeat(this.#proof, at, now)
    if (now.monotonic - this.#forgotAt < forgetEveryMilliseconds) return
    this.#forgotAt = now.monotonic
    this.#set.forget(databaseTimeOf(this.#proof, now) ?? at)
  }

  /** By timer: whatever silence suggests is judged again after the sockets were read. */
  #look(): void {
    const now = this.#read()
    const seems = memoryStateOf(this.#proof, now)
    if (seems === this.#state && this.#whyOver(now.monotonic) === undefined) return
    void socketTurn().then(() => {
      this.#judge()
      const why = this.#whyOver(this.#clock.monotonic())
      if (why !== undefined) this.#stream?.abort(why)
    })
  }

  /** Why the stream must be opened anew, if it must. */
  #whyOver(monotonic: number): Error | undefined {
    if (this.#stream === undefined || this.#stream.signal.aborted) return undefined
    const age = monotonic - this.#openedAt
    if (age > renewAfterMilliseconds) return new Renewal()
    const isSilent = monotonic - this.#heardAt > silentStreamMilliseconds
    const isUseless = this.#state !== 'fresh' && age > steadyStreamMilliseconds
    return isSilent || isUseless ? new Error('The stream tells nothing any more.') : undefined
  }

  #judge(): void {
    const before = this.#state
    this.#state = memoryStateOf(this.#proof, this.#read())
    if (this.#state === before) return
    this.#observer.onMemory(before, this.#state)
    if (this.#state === 'fresh') this.#fresh.wakeAll()
  }

  #isFresh(): boolean {
    return this.#state === 'fresh'
  }

  #read(): Reading {
    return { wall: this.#clock.wall(), monotonic: this.#clock.monotonic() }
  }
}
