/** Memory that is older than this is not believed without asking. */
const staleAfterMilliseconds = 5_000
const lostAfterMilliseconds = 60_000
/** A clock of this machine that is further off than this is not used to measure. */
const usableClockMilliseconds = 1_000

export type MemoryState = 'fresh' | 'stale' | 'lost'

/** What this machine's clocks show, in ms. */
export interface Reading {
  /** Since the epoch; may be wrong by minutes. */
  readonly wall: number
  /** Only differences mean anything. */
  readonly monotonic: number
}

/**
 * What is known of the feed. Instants of the database and of this machine are never compared, only how far each has
 * advanced: the clocks may differ by minutes.
 */
export interface FeedProof {
  /** The monotonic clock minus the database's, in ms; at most what it truly is, so that silence is never judged shorter. */
  readonly offset: number
  /** The database's time of the last heartbeat, in ms: all that committed before was told. */
  readonly lastAt: number
  /** The monotonic clock minus the database's as the quickest heartbeat showed it: at least what it truly is. */
  readonly longestOffset: number
  readonly receivedAt: Reading
}

/** `requestedAt` is the monotonic clock before the snapshot was asked for: the database's clock was read after. */
export function proofOfSnapshot(asOf: number, requestedAt: number, now: Reading): FeedProof {
  const longestOffset = now.monotonic - asOf
  const offset = Math.min(requestedAt - asOf, longestOffset)
  return { offset, lastAt: asOf, longestOffset, receivedAt: now }
}

/**
 * What a heartbeat adds. It cannot arrive before it was sent: one that seems to shows that the offset was too large,
 * because a clock was set or the snapshot was older than its request.
 */
export function withHeartbeat(proof: FeedProof, at: number, now: Reading): FeedProof {
  if (at <= proof.lastAt) return proof
  const longestOffset = Math.min(proof.longestOffset, now.monotonic - at)
  const offset = Math.min(proof.offset, longestOffset)
  return { offset, lastAt: at, longestOffset, receivedAt: now }
}

/** Upper bound, in ms, of the time for which the broker may have known what this verifier does not. */
function silenceOf(proof: FeedProof, now: Reading): number {
  const silence = now.monotonic - proof.offset - proof.lastAt
  // a machine that slept: its monotonic clock stood still, the other did not
  const slept = now.wall - proof.receivedAt.wall - (now.monotonic - proof.receivedAt.monotonic)
  return silence + Math.max(0, slept)
}

export function memoryStateOf(proof: FeedProof | undefined, now: Reading): MemoryState {
  if (proof === undefined) return 'lost'
  const silence = silenceOf(proof, now)
  if (silence <= staleAfterMilliseconds) return 'fresh'
  return silence <= lostAfterMilliseconds ? 'stale' : 'lost'
}

/** The least that the database's clock can show now, in ms; undefined before the first snapshot. */
export function databaseTimeOf(proof: FeedProof | undefined, now: Reading): number | undefined {
  if (proof === undefined) return undefined
  return proof.lastAt + (now.monotonic - proof.receivedAt.monotonic)
}

/** By which tokens are judged: the later of this machine's clock and what the database's must show. */
export function laterTime(proof: FeedProof | undefined, now: Reading): number {
  return Math.max(now.wall, databaseTimeOf(proof, now) ?? Number.NEGATIVE_INFINITY)
}

/** What others should be told as the time: this machine's clock, unless it is clearly wrong. */
export function tellableTime(proof: FeedProof | undefined, now: Reading): number {
  const databaseTime = databaseTimeOf(proof, now)
  if (databaseTime === undefined) return now.wall
  const isUsable = Math.abs(now.wall - databaseTime) <= staleAfterMilliseconds
  return isUsable ? now.wall : databaseTime
}

/** Milliseconds from an instant of the database until now: exact when this machine's clock is, else at least. */
export function lagSince(at: number, proof: FeedProof, now: Reading): number {
  const ownOffset = now.monotonic - now.wall
  const isUsable = proof.longestOffset - ownOffset <= usableClockMilliseconds
  const offset = isUsable ? Math.min(ownOffset, proof.longestOffset) : proof.longestOffset
  return Math.max(0, now.monotonic - offset - at)
}
