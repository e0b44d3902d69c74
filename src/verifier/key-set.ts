import { retryDelay } from './back-off.ts'
import type { BrokerClient } from './broker-client.ts'
import type { Clock } from './clock.ts'
import { isJsonObject, parseJsonObject } from './json.ts'
import { toVerificationKey, type VerificationKey } from './verification-key.ts'
import { Waiters } from './waiters.ts'

/** A key as the broker published it last. Turns false when a later key set lacks it. */
export interface KnownKey extends VerificationKey {
  isPublished: boolean
}

export interface KeyChange {
  readonly added: readonly string[]
  readonly dropped: readonly string[]
}

export interface KeySetObserver {
  onKeys(change: KeyChange): void
  onKeysRead(): void
  onKeysUnreadable(error: unknown): void
}

const readEveryMilliseconds = 240_000
const unknownKeyCoolDownMilliseconds = 10_000
const readTimeoutMilliseconds = 5_000
/** Every token that existed when the keys were read last has ended by then (CONTRACTS §1, `token_lifetime`). */
const trustedForMilliseconds = 3_600_000

/** The broker's public keys: read again every 4 minutes, and when a token names one that is not known. */
export class KeySet {
  readonly #broker: BrokerClient
  readonly #clock: Clock
  readonly #observer: KeySetObserver
  #keys: ReadonlyMap<string, KnownKey> = new Map()
  #readAt: number | undefined
  #askedAt: number | undefined
  #reading: Promise<boolean> | undefined
  readonly #pause = new Waiters()
  #timer: NodeJS.Timeout | undefined
  #failureCount = 0
  #isStopped = false

  constructor(broker: BrokerClient, clock: Clock, observer: KeySetObserver) {
    this.#broker = broker
    this.#clock = clock
    this.#observer = observer
  }

  get size(): number {
    return this.#keys.size
  }

  find(kid: string): KnownKey | undefined {
    return this.#keys.get(kid)
  }

  /** Milliseconds since the keys were read; undefined before the first time. */
  age(monotonic: number): number | undefined {
    return this.#readAt === undefined ? undefined : monotonic - this.#readAt
  }

  /** False before the first reading, and when the broker could not be reached for so long that none may be believed. */
  isTrusted(monotonic: number): boolean {
    const age = this.age(monotonic)
    return age !== undefined && age <= trustedForMilliseconds
  }

  /** Reads the keys and keeps reading them. Resolves when they are in for the first time, or on `stop`. */
  async start(): Promise<void> {
    while (!this.#isStopped && !(await this.read())) {
      await this.#pause.wait(this.#delay())
    }
    this.#schedule()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#pause.wakeAll()
  }

  /** False when the broker gave no key set; the keys that are known stay. Readings at the same time are one. */
  read(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  /** Reads again unless that was done a moment ago. */
  async readUnlessRecent(): Promise<void> {
    if (!this.#isCooling()) await this.read()
  }

  /** For a `kid` that is not known: the key, undefined when the broker has none, or `unreadable`. */
  async lookUp(kid: string): Promise<KnownKey | undefined | 'unreadable'> {
    if (this.#reading !== undefined) await this.#reading
    const known = this.#keys.get(kid)
    if (known !== undefined) return known
    if (this.#isCooling()) return this.#failureCount > 0 ? 'unreadable' : undefined
    return (await this.read()) ? this.#keys.get(kid) : 'unreadable'
  }

  #isCooling(): boolean {
    const askedAt = this.#askedAt
    return (
      askedAt !== undefined && this.#clock.monotonic() - askedAt < unknownKeyCoolDownMilliseconds
    )
  }

  #schedule(): void {
    if (this.#isStopped) return
    this.#timer = setTimeout(() => {
      void this.read().finally(() => this.#schedule())
    }, this.#delay()).unref()
  }

  #delay(): number {
    if (this.#failureCount === 0) return readEveryMilliseconds
    return retryDelay(this.#failureCount, this.#clock.random(), { first: 200, longest: 30_000 })
  }

  async #read(): Promise<boolean> {
    this.#askedAt = this.#clock.monotonic()
    try {
      const text = await this.#broker.fetchText('/oauth/jwks', {
        timeoutMilliseconds: readTimeoutMilliseconds,
      })
      this.#replace(readKeySet(text))
      this.#readAt = this.#askedAt
      this.#failureCount = 0
      this.#observer.onKeysRead()
      return true
    } catch (error) {
      this.#failureCount += 1
      this.#observer.onKeysUnreadable(error)
      return false
    }
  }

  /** A key that is still there stays the same object, so that what it vouched for stays vouched for. */
  #replace(published: readonly VerificationKey[]): void {
    const before = this.#keys
    const keys = new Map<string, KnownKey>()
    for (const key of published) {
      const known = before.get(key.kid)
      if (!keys.has(key.kid)) {
        keys.set(key.kid, known && isSameKey(known, key) ? known : { ...key, isPublished: true })
      }
    }
    const dropped = [...before.values()].filter((key) => keys.get(key.kid) !== key)
    for (const key of dropped) key.isPublished = false
    const added = [...keys.values()].filter((key) => before.get(key.kid) !== key)
    this.#keys = keys
    if (added.length === 0 && dropped.length === 0) return
    const kidOf = ({ kid }: KnownKey) => kid
    this.#observer.onKeys({ added: added.map(kidOf), dropped: dropped.map(kidOf) })
  }
}

/** Throws for what is no JWK Set (RFC 7517 §5); leaves out keys of other kinds. */
function readKeySet(text: string): readonly VerificationKey[] {
  const keys = parseJsonObject(text)?.keys
  if (!Array.isArray(keys)) throw new TypeError('The broker sent no key set.')
  return keys.filter(isJsonObject).flatMap((jwk) => toVerificationKey(jwk) ?? [])
}

function isSameKey(known: KnownKey, key: VerificationKey): boolean {
  return known.algorithm === key.algorithm && known.key.equals(key.key)
}
