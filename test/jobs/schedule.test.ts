import fc from 'fast-check'
import { createTask } from 'node-cron'
import { describe, expect, it } from 'vitest'
import {
  isWorthLogging,
  latestScheduledAt,
  readCron,
  retrySeconds,
  steadyTime,
} from '../../src/jobs/schedule.ts'

const latest = (cron: string, now: string) =>
  latestScheduledAt(readCron(cron), new Date(now)).toISOString()

describe('the latest scheduled time', () => {
  it.each([
    ['17 * * * *', '2026-03-04T10:17:00.000Z', '2026-03-04T10:17:00.000Z'],
    ['17 * * * *', '2026-03-04T10:16:59.999Z', '2026-03-04T09:17:00.000Z'],
    ['*/5 * * * * *', '2026-03-04T10:00:04.999Z', '2026-03-04T10:00:00.000Z'],
    ['0 6 * * 1', '2026-03-04T10:00:00.000Z', '2026-03-02T06:00:00.000Z'],
    ['0 6 * * 1', '2026-03-02T05:59:59.000Z', '2026-02-23T06:00:00.000Z'],
    ['30 23 31 * *', '2026-03-01T00:00:00.000Z', '2026-01-31T23:30:00.000Z'],
    ['0 0 29 2 *', '2026-03-01T00:00:00.000Z', '2024-02-29T00:00:00.000Z'],
    ['0 0 * * *', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z'],
  ])('of %s at %s is %s', (cron, now, expected) => {
    expect(latest(cron, now)).toBe(expected)
  })

  it('agrees with node-cron on which times match, and skips none', () => {
    const field = (max: number) =>
      fc.oneof(
        fc.constant('*'),
        fc.integer({ min: 2, max: Math.min(30, max) }).map((step) => `*/${step}`),
        fc
          .uniqueArray(fc.integer({ min: 0, max }), { minLength: 1, maxLength: 4 })
          .map((values) => values.join(',')),
      )
    const cron = fc
      .tuple(field(59), field(59), field(23), fc.constantFrom('*', '0', '1,3,5', '7'))
      .map(([second, minute, hour, weekday]) => `${second} ${minute} ${hour} * * ${weekday}`)
    const now = fc.date({ min: new Date('2024-01-01'), max: new Date('2030-01-01') })
    fc.assert(
      fc.property(
        cron,
        now.filter((date) => !Number.isNaN(date.getTime())),
        (expression, at) => {
          const found = latestScheduledAt(readCron(expression), at)
          const task = createTask(expression, () => {}, { timezone: 'UTC' })
          expect(found.getTime()).toBeLessThanOrEqual(at.getTime())
          expect(task.match(found)).toBe(true)
          // nothing between the found time and now: walk a bounded stretch of it
          const stretch = Math.min(600, Math.floor((at.getTime() - found.getTime()) / 1000))
          for (let second = 1; second <= stretch; second++) {
            expect(task.match(new Date(found.getTime() + second * 1000))).toBe(false)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it.each(['61 * * * *', 'hourly', '0 0 L * *', '0 0 15W * *', '0 0 30 2 *'])(
    'refuses %s when the table is read, not when it is due',
    (cron) => {
      expect(() => readCron(cron)).toThrow()
    },
  )
})

describe('a time that never goes back', () => {
  const start = Date.parse('2026-03-04T10:30:00Z')
  const hour = 3_600_000

  it('follows the wall clock while that goes on', () => {
    let seen = steadyTime(undefined, start, 0)
    seen = steadyTime(seen, start + 5_000, 5_001)
    expect(seen.at).toBe(start + 5_000)
  })

  it('jumps ahead with the wall clock', () => {
    const seen = steadyTime(steadyTime(undefined, start, 0), start + hour, 5_000)
    expect(seen.at).toBe(start + hour)
  })

  it('goes on from where it was when the wall clock is set back an hour', () => {
    let seen = steadyTime(undefined, start, 0)
    seen = steadyTime(seen, start - hour + 5_000, 5_000)
    expect(seen.at).toBe(start + 5_000)
    seen = steadyTime(seen, start + 5_000, hour + 5_000)
    expect(seen.at).toBe(start + hour + 5_000)
  })

  it('takes drift of less than a minute from the wall clock instead of adding it up', () => {
    let seen = steadyTime(undefined, start, 0)
    for (let day = 1; day <= 365; day++) {
      seen = steadyTime(seen, start + day * 24 * hour, day * (24 * hour + 4_000))
    }
    expect(seen.at).toBe(start + 365 * 24 * hour)
  })

  it('never shows a scheduled time twice or skips one, however the wall clock is set back', () => {
    const steps = fc.array(
      fc.record({
        elapsed: fc.integer({ min: 1_000, max: 600_000 }),
        setBack: fc.integer({ min: 0, max: 2 * hour }).map((ms) => (ms > hour ? ms : 0)),
      }),
      { minLength: 1, maxLength: 50 },
    )
    fc.assert(
      fc.property(steps, (taken) => {
        let wall = start
        let monotonic = 0
        let seen = steadyTime(undefined, wall, monotonic)
        for (const { elapsed, setBack } of taken) {
          const before = seen.at
          monotonic += elapsed
          wall += elapsed - setBack
          seen = steadyTime(seen, wall, monotonic)
          expect(seen.at - before).toBeGreaterThanOrEqual(elapsed)
        }
      }),
    )
  })
})

describe('after a failure', () => {
  it('waits longer each time, up to five minutes', () => {
    expect([1, 2, 3, 4, 7, 8, 1_000].map(retrySeconds)).toEqual([5, 10, 20, 40, 300, 300, 300])
  })

  it('logs the first, the second, the fourth in a row and so on', () => {
    const logged = Array.from({ length: 20 }, (_, index) => index + 1).filter(isWorthLogging)
    expect(logged).toEqual([1, 2, 4, 8, 16])
  })
})
