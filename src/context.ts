import { randomBytes } from 'node:crypto'
import { monotonicFactory } from 'ulid'
import type { Database, IdempotentCall } from './database/index.ts'

/** The one clock. Every instant that decides anything comes from here. */
export interface Clock {
  now(): Date
  /** Milliseconds that never step back; only differences mean anything. */
  monotonicMilliseconds(): number
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMilliseconds: () => performance.now(),
}

export type IdPrefix =
  | 'req'
  | 'rev'
  | 'grt'
  | 'jti'
  | 'rvk'
  | 'fnd'
  | 'ses'
  | 'aud'
  | 'evt'
  | 'cmt'
  | 'job'

/** Makes ids that sort by time of creation, and secrets of 256 random bits. */
export interface Ids {
  next(prefix: IdPrefix): string
  /** 256 random bits, base64url */
  secret(): string
}

/** In one process ids sort in the order of their making, within a millisecond and after a clock step too. */
export function systemIds(clock: Clock): Ids {
  const ulid = monotonicFactory(randomFractions())
  return {
    next: (prefix) => `${prefix}_${ulid(clock.now().getTime())}`,
    secret: () => randomBytes(32).toString('base64url'),
  }
}

/**
 * One of 256 equally likely fractions, from random bytes drawn many at a time: an id takes up to 16, and a draw for
 * each costs as much as a statement.
 */
function randomFractions(): () => number {
  let bytes = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === bytes.length) {
      bytes = randomBytes(1024)
      used = 0
    }
    return bytes.readUInt8(used++) / 256
  }
}

/** Structured log. Fields are for machines; no secret may be given to it. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type ActorKind = 'person' | 'workload' | 'resource' | 'job' | 'operator' | 'anonymous'

/** Through which door an actor came. A Slack press by Bob is Bob, via `slack`. */
export type ActorVia =
  | 'api'
  | 'cli'
  | 'browser'
  | 'slack'
  | 'client_credentials'
  | 'resource_credential'
  | 'device'
  | 'operator'
  | 'job'
  | 'none'

/** Who performs an operation. The operation checks the right itself; the transport never does. */
export interface Actor {
  readonly kind: ActorKind
  readonly id: string
  readonly via: ActorVia
  /** The session it came by, when it came by one. */
  readonly sessionId?: string
  /** The client secret it proved itself with, when it came by one. */
  readonly credentialId?: string
}

export const anonymous: Actor = { kind: 'anonymous', id: 'anonymous', via: 'none' }

/** Says whether this replica's clock may be trusted with decisions (at most 2 s from the database's). */
export interface ClockMonitor {
  isTrusted(): boolean
  /** Difference of this clock minus the database's, in seconds; null before the first measurement. */
  skewSeconds(): number | null
}

/** Encrypts secrets at rest; `identity` is bound as associated data, so a value moved to another row does not open. */
export interface SecretBox {
  seal(plaintext: Uint8Array, identity: string): Buffer
  open(sealed: Uint8Array, identity: string): Buffer
}

/** Is told of use as it happens, off the hot path. Returns at once and never throws. */
export interface UseObserver {
  /** A grant was taken up. Says nothing about scopes. */
  observeMint(use: { readonly grantId: string; readonly at: Date }): void
  /** A scope of a grant was about to be enforced, and the token had it; undefined when no scope was named. */
  observeUse(use: {
    readonly grantId: string
    readonly scope: string | undefined
    readonly at: Date
  }): void
}

/** What the composition root hands to every operation. */
export interface Services {
  readonly clock: Clock
  readonly clockMonitor: ClockMonitor
  readonly ids: Ids
  readonly log: Log
  readonly database: Database
  readonly secretBox: SecretBox
  /** The issuer URL, without a trailing slash. */
  readonly issuer: string
  /** Algorithm of the next signing key. */
  readonly tokenAlgorithm: 'RS256' | 'ES256' | 'EdDSA'
  /** Tells the outbox that a committed event waits. Never throws. */
  readonly wakeOutbox: () => void
  /** Told of mints and of use that introspection sees; without it nothing is recorded. */
  readonly useObserver?: UseObserver
}

/** What one call of an operation is given. */
export interface OperationContext extends Services {
  readonly actor: Actor
  readonly idempotency?: IdempotentCall
}
