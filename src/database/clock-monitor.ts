import type { Clock, ClockMonitor, Log } from '../context.ts'
import type { Database } from './database.ts'

const maxSkewSeconds = 2
const measureEveryMilliseconds = 2_000
/** A measurement older than this proves nothing any more. */
const validForMilliseconds = 15_000

/** A ClockMonitor that measures by itself until stopped. */
export interface RunningClockMonitor extends ClockMonitor {
  /** Measures once, now. */
  measure(): Promise<void>
  stop(): void
}

/**
 * Compares this replica's clock with the database's every 2 s. The error of one measurement is at most half
 * its round trip, which is allowed for: only a difference that is certainly above 2 s is distrusted.
 */
export function startClockMonitor(clock: Clock, database: Database, log: Log): RunningClockMonitor {
  let skewSeconds: number | null = null
  let isClose = false
  let measuredAt = Number.NEGATIVE_INFINITY

  async function measure(): Promise<void> {
    const sentAt = clock.monotonicMilliseconds()
    const databaseNow = await database.now()
    const receivedAt = clock.monotonicMilliseconds()
    const halfTrip = (receivedAt - sentAt) / 2000
    const skew = (clock.now().getTime() - databaseNow.getTime()) / 1000 - halfTrip
    const wasClose = isClose
    skewSeconds = skew
    isClose = Math.abs(skew) - halfTrip <= maxSkewSeconds
    measuredAt = receivedAt
    if (wasClose && !isClose) {
      log.error({ skew_seconds: skew }, 'this clock and the database differ by more than 2 s')
    }
  }

  const timer = setInterval(() => {
    measure().catch((error: unknown) => {
      log.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'clock not measured')
    })
  }, measureEveryMilliseconds)
  timer.unref()

  return {
    measure,
    isTrusted: () => isClose && clock.monotonicMilliseconds() - measuredAt <= validForMilliseconds,
    skewSeconds: () => skewSeconds,
    stop: () => clearInterval(timer),
  }
}
