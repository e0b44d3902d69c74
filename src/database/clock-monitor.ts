import type { Clock, ClockMonitor, Log } from '../context.ts'
import type { Database } from './database.ts'

const maxSkewSeconds = 2
const measureEveryMilliseconds = 2_000
/** A measurement older than this proves nothing any more. */
const validForMilliseconds = 15_000

interface Measurement {
  /** Monotonic and wall time at which the database's answer arrived, in milliseconds. */
  readonly at: number
  readonly wall: number
  readonly skewSeconds: number
  readonly halfTripSeconds: number
}

/** What was measured, and how far the clock was set since. */
function skewNow(clock: Clock, { at, wall, skewSeconds }: Measurement): number {
  const elapsed = clock.monotonicMilliseconds() - at
  return skewSeconds + (clock.now().getTime() - wall - elapsed) / 1000
}

/** A ClockMonitor that measures by itself until stopped. */
export interface RunningClockMonitor extends ClockMonitor {
  /** Measures once, now. */
  measure(): Promise<void>
  stop(): void
}

/**
 * Compares this replica's clock with the database's every 2 s, and with the process's own steady time whenever it is
 * asked, so that a clock that is set in between is distrusted at once. The error of one measurement is at most
 * half its round trip, which is allowed for: only a difference that is certainly above 2 s is distrusted.
 */
export function startClockMonitor(clock: Clock, database: Database, log: Log): RunningClockMonitor {
  let measured: Measurement | undefined
  let wasClose = false

  async function measure(): Promise<void> {
    const sentAt = clock.monotonicMilliseconds()
    const databaseNow = await database.now()
    const at = clock.monotonicMilliseconds()
    const wall = clock.now().getTime()
    const halfTripSeconds = (at - sentAt) / 2000
    const skewSeconds = (wall - databaseNow.getTime()) / 1000 - halfTripSeconds
    measured = { at, wall, skewSeconds, halfTripSeconds }
    const isClose = Math.abs(skewSeconds) - halfTripSeconds <= maxSkewSeconds
    if (wasClose && !isClose) {
      log.error(
        { skew_seconds: skewSeconds },
        'this clock and the database differ by more than 2 s',
      )
    }
    wasClose = isClose
  }

  const timer = setInterval(() => {
    measure().catch((error: unknown) => {
      log.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'clock not measured')
    })
  }, measureEveryMilliseconds)
  timer.unref()

  return {
    measure,
    isTrusted: () =>
      measured !== undefined &&
      clock.monotonicMilliseconds() - measured.at <= validForMilliseconds &&
      Math.abs(skewNow(clock, measured)) - measured.halfTripSeconds <= maxSkewSeconds,
    skewSeconds: () => (measured === undefined ? null : skewNow(clock, measured)),
    stop: () => clearInterval(timer),
  }
}
