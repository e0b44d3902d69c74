import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Actor, Services } from '../../src/context.ts'
import { claimJobRun, latestJobRuns } from '../../src/database/index.ts'
import { HallpassError } from '../../src/errors.ts'
import { createScheduler, type Job, type Scheduler } from '../../src/jobs/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { until } from '../support/until.ts'

let test: TestServices
let running: Scheduler[]

beforeEach(async () => {
  test = await createTestServices()
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((scheduler) => scheduler.stop()))
  await test.close()
})

async function start(
  jobs: readonly Job[],
  settings: { services?: Services; replica?: string } = {},
): Promise<Scheduler> {
  const services = settings.services ?? test.services
  const scheduler = createScheduler({ ...settings, services, jobs, sweepMilliseconds: 50 })
  running.push(scheduler)
  await scheduler.start()
  return scheduler
}

/** Every run of the ledger, by scheduled time. */
async function ledger() {
  const { rows } = await test.services.database.read((db) =>
    db.execute<{ job: string; scheduled_at: string; outcome: string; attempt_count: number }>(
      'select * from job_run order by scheduled_at',
    ),
  )
  return rows.map((row) => ({
    scheduledAt: new Date(row.scheduled_at),
    outcome: row.outcome,
    attemptCount: row.attempt_count,
  }))
}

/** Services over a database whose clock shows `wall.time`, while the process's own goes on by itself. */
function onWallClock(wall: { time: number; monotonic: number }): Services {
  return {
    ...test.services,
    clock: {
      now: () => new Date(wall.time),
      monotonicMilliseconds: () => wall.monotonic,
    },
    database: { ...test.services.database, now: async () => new Date(wall.time) },
  }
}

describe('each scheduled time', () => {
  it('is run once by four schedulers at once', async () => {
    const runs: string[] = []
    const schedulers = await Promise.all(
      [1, 2, 3, 4].map((number) => {
        const run = async () => {
          runs.push(`replica-${number}`)
          await sleep(20)
          return { number }
        }
        return start([{ name: 'tick', cron: '* * * * * *', run }], {
          replica: `replica-${number}`,
        })
      }),
    )
    await until('five scheduled times have come', async () => (await ledger()).length >= 5)
    await Promise.all(schedulers.map((scheduler) => scheduler.stop()))
    const kept = await ledger()
    expect(runs).toHaveLength(kept.length)
    expect(kept.every(({ attemptCount, outcome }) => attemptCount === 1 && outcome === 'ok')).toBe(
      true,
    )
    const seconds = kept.map(({ scheduledAt }) => scheduledAt.getTime() / 1000)
    expect(seconds).toEqual(seconds.map((_, index) => (seconds[0] ?? 0) + index))
  })

  it('is run as the job itself, and the ledger keeps what came of it', async () => {
    const actors: Actor[] = []
    const run: Job['run'] = async (ctx) => {
      actors.push(ctx.actor)
      return { sweptCount: 3 }
    }
    await start([{ name: 'sweep-attic', cron: '0 6 * * *', run }], { replica: 'here' })
    const runs = () => test.services.database.read(latestJobRuns)
    await until('it is done', async () => (await runs())[0]?.outcome === 'ok')
    expect(actors).toEqual([{ kind: 'job', id: 'sweep-attic', via: 'job' }])
    expect(await runs()).toMatchObject([
      { job: 'sweep-attic', details: { sweptCount: 3 }, replica: 'here', attemptCount: 1 },
    ])
  })

  it('is taken over when the replica that held it died, after its lease and not before', async () => {
    const wall = { time: Date.parse('2026-03-04T10:30:00Z'), monotonic: 0 }
    const claim = {
      job: 'rotate',
      scheduledAt: new Date('2026-03-04T10:00:00Z'),
      replica: 'dead',
      leaseSeconds: 1,
    }
    expect(await claimJobRun(test.services.database, claim)).toMatchObject({ attemptCount: 1 })
    const startedAt = performance.now()
    let endedAt = 0
    const run = async () => {
      endedAt = performance.now()
      return undefined
    }
    await start([{ name: 'rotate', cron: '0 * * * *', run }], { services: onWallClock(wall) })
    await until('it is taken over', async () => (await ledger())[0]?.outcome === 'ok')
    expect(endedAt - startedAt).toBeGreaterThan(800)
    expect(await ledger()).toMatchObject([{ attemptCount: 2 }])
  })

  it('is made up for once, however many were missed', async () => {
    const wall = { time: Date.parse('2026-03-04T10:30:00Z'), monotonic: 0 }
    let runCount = 0
    const run = async () => {
      runCount++
      return undefined
    }
    const services = onWallClock(wall)
    const first = await start([{ name: 'report', cron: '0 * * * *', run }], { services })
    await until('it ran', () => runCount === 1)
    await first.stop()
    wall.time = Date.parse('2026-03-09T10:30:00Z')
    await start([{ name: 'report', cron: '0 * * * *', run }], { services })
    await until('it ran again', () => runCount === 2)
    await sleep(200)
    expect(runCount).toBe(2)
  })
})

describe('a clock that is set back an hour', () => {
  it('silences no job', async () => {
    const wall = { time: Date.parse('2026-03-04T10:30:00Z'), monotonic: 0 }
    let hourlyCount = 0
    let tickCount = 0
    await start(
      [
        { name: 'hourly', cron: '0 * * * *', run: async () => void hourlyCount++ },
        { name: 'ticking', everyMilliseconds: 20, run: async () => void tickCount++ },
      ],
      { services: onWallClock(wall) },
    )
    await until('it ran', () => hourlyCount === 1)
    wall.time -= 3_600_000
    await sleep(200)
    expect(hourlyCount).toBe(1)
    const ticksBefore = tickCount
    for (let hour = 2; hour <= 4; hour++) {
      wall.time += 3_600_000
      wall.monotonic += 3_600_000
      await until(`it ran ${hour} times`, () => hourlyCount === hour)
    }
    await sleep(200)
    expect(hourlyCount).toBe(4)
    expect(tickCount).toBeGreaterThan(ticksBefore)
    expect((await ledger()).map(({ scheduledAt }) => scheduledAt.getUTCHours())).toEqual([
      10, 11, 12, 13,
    ])
  })

  it('leaves no run of the future behind that would silence a job after a restart', async () => {
    const now = await test.services.database.now()
    const scheduledAt = new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000 + 3_600_000 * 2)
    const claim = { job: 'hourly', scheduledAt, replica: 'before', leaseSeconds: 30 }
    await claimJobRun(test.services.database, claim)
    await start([{ name: 'hourly', cron: '0 * * * *', run: async () => undefined }])
    await until('it ran', async () => (await ledger())[0]?.outcome === 'ok')
    expect(await ledger()).toHaveLength(1)
    expect((await ledger())[0]?.scheduledAt.getTime()).toBeLessThanOrEqual(now.getTime())
  })

  it('does nothing by a clock that is not trusted, and catches up when it is', async () => {
    let isTrusted = false
    let runCount = 0
    const services = {
      ...test.services,
      clockMonitor: { isTrusted: () => isTrusted, skewSeconds: () => 7_200 },
    }
    const run = async () => void runCount++
    await start([{ name: 'forget', cron: '0 * * * *', run }], { services })
    await sleep(300)
    expect(runCount).toBe(0)
    isTrusted = true
    await until('it ran', () => runCount === 1)
  })
})

describe('a job that throws', () => {
  it('stops no other job, is kept in the ledger without what it was given, and is tried again', async () => {
    const wall = { time: Date.parse('2026-03-04T10:30:00Z'), monotonic: 0 }
    let otherCount = 0
    const scheduler = await start(
      [
        {
          name: 'broken',
          cron: '0 * * * *',
          run: async () => {
            throw new Error('could not open s3cr3t')
          },
        },
        {
          name: 'refused',
          everyMilliseconds: 20,
          run: () => {
            throw new HallpassError('cannot_decide', 'Try again in a moment.')
          },
        },
        { name: 'sound', everyMilliseconds: 20, run: async () => void otherCount++ },
      ],
      { services: onWallClock(wall) },
    )
    await until('the others go on', () => otherCount >= 10)
    await until('it failed', async () => (await ledger())[0]?.outcome === 'failed')
    const status = (name: string) => scheduler.status().find((each) => each.name === name)
    expect(status('broken')).toMatchObject({ failureCount: 1, secondsSinceDone: null })
    expect(status('sound')).toMatchObject({ failureCount: 0 })
    const kept = await test.services.database.read(latestJobRuns)
    expect(kept).toMatchObject([{ job: 'broken', outcome: 'failed', details: { error: 'Error' } }])
    expect(test.logLines.join('\n')).not.toContain('s3cr3t')
    expect(test.logLines.some((line) => line.includes('cannot_decide'))).toBe(true)
    await test.services.database.read((db) =>
      db.execute("update job_run set held_until = now() - interval '1 second'"),
    )
    await until('it is tried again', async () => (await ledger())[0]?.attemptCount === 2)
  })

  it('fills the log with the first, second, fourth failure and so on, and says when it is over', async () => {
    let runCount = 0
    await start([
      {
        name: 'flaky',
        everyMilliseconds: 5,
        run: async () => {
          runCount++
          if (runCount <= 20) throw new Error('no')
          return undefined
        },
      },
    ])
    await until('it succeeded', () => runCount > 22)
    const said = test.logLines.map((line) => JSON.parse(line))
    expect(said.filter(({ level }) => level === 'error').map((line) => line.failure_count)).toEqual(
      [1, 2, 4, 8, 16],
    )
    expect(said.filter(({ message }) => message === 'a job succeeds again')).toHaveLength(1)
  })
})

describe('one replica', () => {
  it('never runs a job while a run of it is under way', async () => {
    let nowRunning = 0
    let mostAtOnce = 0
    let runCount = 0
    const run = async () => {
      nowRunning++
      mostAtOnce = Math.max(mostAtOnce, nowRunning)
      await sleep(60)
      nowRunning--
      runCount++
      return undefined
    }
    await start([{ name: 'slow', everyMilliseconds: 5, run }])
    await until('it ran three times', () => runCount === 3)
    expect(mostAtOnce).toBe(1)
  })

  it('finishes what runs when it stops, and starts nothing more', async () => {
    let startedCount = 0
    let endedCount = 0
    const run = async () => {
      startedCount++
      await sleep(200)
      endedCount++
      return undefined
    }
    const scheduler = await start([
      { name: 'slow', everyMilliseconds: 10, run },
      { name: 'kept', cron: '* * * * * *', run },
    ])
    await until('both run', () => startedCount === 2)
    await scheduler.stop()
    expect(endedCount).toBe(2)
    await sleep(1_200)
    expect(startedCount).toBe(2)
    expect(await ledger()).toMatchObject([{ outcome: 'ok' }])
  })

  it('refuses two jobs of one name, which would share a ledger', () => {
    const job: Job = { name: 'same', everyMilliseconds: 1_000, run: async () => undefined }
    expect(() => createScheduler({ services: test.services, jobs: [job, job] })).toThrow('one name')
  })
})
