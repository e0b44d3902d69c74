import { parse } from 'node-cron'

const daySeconds = 24 * 60 * 60
const dayMilliseconds = daySeconds * 1000
/** A rule that names a day, a month and a weekday still comes round in so many days. */
const longestLookBackDays = 40 * 366
const anyTime = new Date('2026-01-01T00:00:00Z')

/** When a job is due, in UTC: each list holds the values that match, as cron means them. */
export interface CronTimes {
  readonly second: readonly number[]
  readonly minute: readonly number[]
  readonly hour: readonly number[]
  readonly dayOfMonth: ReadonlySet<number>
  readonly month: ReadonlySet<number>
  readonly dayOfWeek: ReadonlySet<number>
}

/** Reads a cron expression of five or six fields, numbers only. Throws on any other, and on one that never comes round. */
export function readCron(expression: string): CronTimes {
  const fields = parse(expression)
  const numbers = (values: readonly (number | string)[]) =>
    values.map((value) => {
      if (typeof value === 'number') return value
      throw new Error(`cron expression ${expression}: ${value} is not supported`)
    })
  const descending = (values: readonly number[]) => [...values].sort((a, b) => b - a)
  const times = {
    second: descending(fields.second),
    minute: descending(fields.minute),
    hour: descending(fields.hour),
    dayOfMonth: new Set(numbers(fields.dayOfMonth)),
    month: new Set(fields.month),
    dayOfWeek: new Set(numbers(fields.dayOfWeek)),
  }
  latestScheduledAt(times, anyTime)
  return times
}

/** The latest scheduled time at or before `now`. A job is overdue while that one has no successful run. */
export function latestScheduledAt(times: CronTimes, now: Date): Date {
  const today = Math.floor(now.getTime() / dayMilliseconds) * dayMilliseconds
  const secondOfToday = Math.floor((now.getTime() - today) / 1000)
  for (let daysBack = 0; daysBack <= longestLookBackDays; daysBack += 1) {
    const day = new Date(today - daysBack * dayMilliseconds)
    if (!isDayOf(times, day)) continue
    const latest = latestSecond(times, daysBack === 0 ? secondOfToday : daySeconds - 1)
    if (latest !== undefined) return new Date(day.getTime() + latest * 1000)
  }
  throw new Error('a cron expression that never comes round')
}

function isDayOf({ dayOfMonth, month, dayOfWeek }: CronTimes, day: Date): boolean {
  return (
    dayOfMonth.has(day.getUTCDate()) &&
    month.has(day.getUTCMonth() + 1) &&
    dayOfWeek.has(day.getUTCDay())
  )
}

/** The latest matching second of a day that is not after `limit`. */
function latestSecond({ second, minute, hour }: CronTimes, limit: number): number | undefined {
  for (const h of hour.filter((value) => value * 3600 <= limit)) {
    for (const m of minute.filter((value) => h * 3600 + value * 60 <= limit)) {
      const s = second.find((value) => h * 3600 + m * 60 + value <= limit)
      if (s !== undefined) return h * 3600 + m * 60 + s
    }
  }
  return undefined
}

const firstRetrySeconds = 5
const longestRetrySeconds = 300

/** How long a run that failed `attemptCount` times is left alone. */
export function retrySeconds(attemptCount: number): number {
  return Math.min(longestRetrySeconds, firstRetrySeconds * 2 ** Math.min(attemptCount - 1, 10))
}

/** Whether the n-th failure in a row is worth a log line: the first, the second, the fourth … */
export function isWorthLogging(failureCount: number): boolean {
  return Number.isInteger(Math.log2(failureCount))
}

/** Two clocks that disagree by less are only drifting. */
const driftMilliseconds = 60_000

/** What a replica remembers of the last time it looked. */
export interface SeenTime {
  readonly at: number
  readonly monotonic: number
}

/**
 * A time that follows the wall clock and never goes back: after a step back it goes on from where it was, so that
 * no job is silent until the old time comes again.
 */
export function steadyTime(last: SeenTime | undefined, wall: number, monotonic: number): SeenTime {
  if (last === undefined) return { at: wall, monotonic }
  const carried = last.at + (monotonic - last.monotonic)
  return { at: carried - wall >= driftMilliseconds ? carried : wall, monotonic }
}
