import type { Access } from './access.ts'
import type { RequestFacts } from './activity-event.ts'
import { ActivityReporter } from './activity-reporter.ts'
import { type BrokerClient, BrokerRefusal, createBrokerClient } from './broker-client.ts'
import { systemClock } from './clock.ts'
import { Confirmation } from './confirmation.ts'
import { Counters } from './counters.ts'
import { Emitter, type VerifierEvents } from './events.ts'
import { lagSince, type Reading, tellableTime } from './freshness.ts'
import { Introspector } from './introspection.ts'
import { KeySet } from './key-set.ts'
import type { Settings } from './options.ts'
import { ReplayMemory } from './replay-memory.ts'
import {
  type ResourceMetadata,
  resourceMetadata,
  resourceMetadataUrl,
} from './resource-metadata.ts'
import type { WhenCutOff } from './revocation.ts'
import { RevocationFeed } from './revocation-feed.ts'
import { RevocationSet } from './revocation-set.ts'
import { type CheckedToken, TokenCache } from './token-cache.ts'
import { type RevocationSource, TokenJudge } from './token-judge.ts'
import type { Decision, Verifier, VerifierStatus, VerifyOptions } from './verifier.ts'
import { VerifyError } from './verify-error.ts'
import { Waiters } from './waiters.ts'

/** How long calls wait for a verifier that has just been created. */
const startPatienceMilliseconds = 3_000
const activityCapacity = 10_000

/** A verifier that learns from the broker. */
export class BrokerVerifier implements Verifier {
  readonly resourceMetadata: ResourceMetadata
  readonly resourceMetadataUrl: string | undefined
  readonly #settings: Settings
  readonly #clock = systemClock
  readonly #createdAt = this.#clock.monotonic()
  readonly #events = new Emitter()
  readonly #counters = new Counters()
  readonly #progress = new Waiters()
  readonly #cache: TokenCache
  readonly #keys: KeySet
  readonly #introspector: Introspector
  readonly #revocations: RevocationSource | undefined
  readonly #activity: ActivityReporter | undefined
  readonly #judge: TokenJudge
  #isStarted = false
  #isStopped = false
  #isCredentialRefused = false

  constructor(settings: Settings) {
    const { issuer, audience, scopes } = settings
    const broker = createBrokerClient(settings.brokerUrl, settings.credential)
    this.#settings = settings
    this.resourceMetadata = resourceMetadata(issuer, audience, scopes)
    this.resourceMetadataUrl = resourceMetadataUrl(audience)
    this.#cache = new TokenCache(settings.cacheCapacity)
    this.#keys = this.#createKeys(broker)
    this.#introspector = new Introspector(broker, (error) => this.#trouble('introspection', error))
    this.#revocations = settings.followsRevocations ? this.#createRevocations(broker) : undefined
    this.#activity = settings.reportsActivity ? this.#createActivity(broker) : undefined
    this.#judge = this.#createJudge()
  }

  start(): void {
    void this.#keys.start()
    this.#revocations?.feed.start()
    this.#activity?.start()
  }

  async ready(): Promise<void> {
    while (!this.#isStarted) {
      if (this.#isStopped) throw new Error('The verifier was stopped.')
      if (this.#isCredentialRefused) {
        throw new Error(
          'The broker refuses the credential. Is it this resource’s, and not deleted?',
        )
      }
      await this.#progress.wait(60_000)
    }
  }

  verify(token: string | undefined, options: VerifyOptions = {}): Promise<Access> {
    try {
      const judged = this.#judge.judge(token, options)
      if (!(judged instanceof Promise)) return Promise.resolve(this.#allow(judged, options))
      return judged.then(
        (checked) => this.#allow(checked, options),
        (error: unknown) => Promise.reject(this.#deny(error, options)),
      )
    } catch (error) {
      return Promise.reject(this.#deny(error, options))
    }
  }

  async decide(token: string | undefined, options: VerifyOptions = {}): Promise<Decision> {
    const startedAt = this.#clock.monotonic()
    try {
      const { claims } = await this.#judge.judge(token, options)
      this.#counters.allowed += 1
      const report = this.#reportOnce(claims.access, undefined, options, startedAt)
      return { access: claims.access, report }
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error
      this.#counters.refused(error.code)
      return { error, report: this.#reportOnce(undefined, error, options, startedAt) }
    }
  }

  status(): VerifierStatus {
    const { monotonic } = this.#read()
    const keyAge = this.#keys.age(monotonic)
    const feed = this.#revocations?.feed
    const isCutOff = this.#revocations?.confirmation.cutOffSince !== undefined
    return {
      memory: feed?.state ?? 'off',
      knownUntil: feed?.proof && new Date(feed.proof.lastAt),
      whenCutOff: this.#whenCutOff(),
      isCutOff,
      isAcceptingUntilExpiry: isCutOff && this.#whenCutOff() === 'accept_until_expiry',
      keyCount: this.#keys.size,
      keyAgeSeconds: keyAge === undefined ? undefined : keyAge / 1000,
      revocationCount: this.#revocations?.set.size ?? 0,
      cachedTokenCount: this.#cache.size,
      activity: this.#activity?.status,
      counters: this.#counters.view(this.#introspector.count),
    }
  }

  on<Name extends keyof VerifierEvents>(
    name: Name,
    listener: (event: VerifierEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#keys.stop()
    this.#revocations?.feed.stop()
    this.#progress.wakeAll()
    await this.#activity?.stop()
  }

  #allow({ claims }: CheckedToken, options: VerifyOptions): Access {
    this.#counters.allowed += 1
    if (this.#activity?.hasRoom(true)) this.#record(claims.access, undefined, options, this.#now())
    return claims.access
  }

  #deny(error: unknown, options: VerifyOptions): unknown {
    if (!(error instanceof VerifyError)) return error
    this.#counters.refused(error.code)
    if (this.#activity?.hasRoom(error.bearer !== undefined)) {
      this.#record(undefined, error, options, this.#now())
    }
    return error
  }

  #reportOnce(
    access: Access | undefined,
    error: VerifyError | undefined,
    options: VerifyOptions,
    startedAt: number,
  ): (request: RequestFacts) => void {
    const decidedAt = this.#now()
    let isReported = false
    return (request) => {
      if (isReported) return
      isReported = true
      const durationMilliseconds = this.#clock.monotonic() - startedAt
      const known = { durationMilliseconds, ...request }
      this.#record(access, error, { ...options, request: known }, decidedAt)
    }
  }

  #record(
    access: Access | undefined,
    error: VerifyError | undefined,
    { scope, request }: VerifyOptions,
    decidedAt: number,
  ): void {
    // a token used in the moment it was made must not seem to be used before
    const at = access === undefined ? decidedAt : Math.max(decidedAt, access.issuedAt.getTime())
    const bearer = access ?? error?.bearer
    const status = error?.status ?? 200
    const scopes = scope?.includes(' ') ? scope.split(' ') : [scope]
    for (const one of scopes) {
      this.#activity?.record({ at, bearer, scope: one, code: error?.code, status, request })
    }
  }

  #createKeys(broker: BrokerClient): KeySet {
    return new KeySet(broker, this.#clock, {
      onKeys: (change) => this.#events.emit('keys', change),
      onKeysRead: () => this.#advance(),
      onKeysUnreadable: (error) => this.#trouble('keys', error),
    })
  }

  #createRevocations(broker: BrokerClient): RevocationSource {
    const set = new RevocationSet()
    const feed = new RevocationFeed(broker, this.#clock, set, {
      onMemory: (from, to) => {
        if (to === 'fresh') confirmation.reached()
        this.#events.emit('memory', { from, to })
      },
      onRevocation: ({ kind, target, at }, proof, now) => {
        const lagMilliseconds = lagSince(at, proof, now)
        this.#counters.lagged(lagMilliseconds)
        this.#events.emit('revocation', { kind, target, lagMilliseconds })
      },
      onConnected: () => {
        this.#isCredentialRefused = false
        this.#counters.snapshots += 1
        // a key may have been revoked while nobody told
        if (this.#counters.snapshots > 1) void this.#keys.readUnlessRecent()
        this.#advance()
      },
      onFeedLost: (error) => {
        this.#counters.feedLosses += 1
        this.#trouble('feed', error)
      },
    })
    const confirmation = new Confirmation(feed, this.#introspector, this.#clock, () =>
      this.#whenCutOff(),
    )
    return { feed, set, confirmation }
  }

  #createActivity(broker: BrokerClient): ActivityReporter {
    const observer = {
      onLost: (count: number) => this.#events.emit('activity_lost', { count }),
      onActivityFailed: (error: unknown) => this.#trouble('activity', error),
    }
    return new ActivityReporter(broker, this.#clock, observer, activityCapacity)
  }

  #createJudge(): TokenJudge {
    const { issuer, audience } = this.#settings
    return new TokenJudge({
      clock: this.#clock,
      keys: this.#keys,
      revocations: this.#revocations,
      cache: this.#cache,
      replays: new ReplayMemory(),
      counters: this.#counters,
      policy: { issuer, audience },
      resourceMetadata: this.resourceMetadataUrl,
      whenCutOff: () => this.#whenCutOff(),
      isStarted: () => this.#isStarted,
      isStopped: () => this.#isStopped,
      untilStarted: () => this.#untilStarted(),
    })
  }

  async #untilStarted(): Promise<void> {
    const until = this.#createdAt + startPatienceMilliseconds
    for (;;) {
      const left = until - this.#clock.monotonic()
      if (this.#isStarted || this.#isStopped || left <= 0) return
      await this.#progress.wait(left)
    }
  }

  #advance(): void {
    const hasSnapshot = this.#revocations === undefined || this.#counters.snapshots > 0
    this.#isStarted ||= hasSnapshot && this.#keys.age(this.#clock.monotonic()) !== undefined
    this.#progress.wakeAll()
  }

  #whenCutOff(): WhenCutOff {
    return this.#settings.onCutOff ?? this.#revocations?.feed.whenCutOff ?? 'refuse'
  }

  #trouble(what: VerifierEvents['trouble']['with'], error: unknown): void {
    const isCredentialRefused = error instanceof BrokerRefusal && error.isCredentialRefused
    if (isCredentialRefused && what === 'feed') {
      this.#isCredentialRefused = true
      this.#progress.wakeAll()
    }
    this.#events.emit('trouble', { with: what, isCredentialRefused, message: messageOf(error) })
  }

  #now(): number {
    return tellableTime(this.#revocations?.feed.proof, this.#read())
  }

  #read(): Reading {
    return { wall: this.#clock.wall(), monotonic: this.#clock.monotonic() }
  }
}

/** What `fetch` says is in its cause. Neither holds a secret. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'It failed.'
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return `${error.message}${code}`
}
