import { hostname } from 'node:os'
import { schedule } from 'node-cron'
import type { Services } from '../context.ts'
import { deleteFutureJobRuns } from '../database/index.ts'
import { loggable } from '../errors.ts'
import type { Job, JobStatus } from './job.ts'
import { runOperation, runScheduled } from './run-job.ts'
import {
  isWorthLogging,
  latestScheduledAt,
  readCron,
  type SeenTime,
  steadyTime,
} from './schedule.ts'

const sweepMilliseconds = 5_000

/** Runs the jobs of one replica. */
export interface Scheduler {
  /** Begins to look, at once for whatever is overdue. Rejects when the database cannot be reached. */
  start(): Promise<void>
  /** Starts nothing more; resolves when every run under way has ended. */
  stop(): Promise<void>
  status(): readonly JobStatus[]
}

export interface SchedulerSettings {
  readonly services: Services
  readonly jobs: readonly Job[]
  readonly sweepMilliseconds?: number
  /** Says who ran what in the ledger. */
  readonly replica?: string
}

/** Any number of replicas may run a scheduler over one database. Throws on a cron expression it cannot read. */
export function createScheduler(settings: SchedulerSettings): Scheduler {
  const { services, jobs } = settings
  const replica = settings.replica ?? `${hostname()}:${process.pid}`
  if (new Set(jobs.map(({ name }) => name)).size !== jobs.length) {
    throw new Error('two jobs have one name')
  }
  const readTime = createSteadyClock(services)
  const looks = jobs.map((job) => createLook(services, job, replica, readTime))
  const stops: Array<() => unknown> = []

  return {
    start: async () => {
      await deleteFutureJobRuns(services.database)
      const sweepEach = settings.sweepMilliseconds ?? sweepMilliseconds
      for (const look of looks) {
        stops.push(startTimers(services, look, sweepEach))
        look.now()
      }
    },
    stop: async () => {
      for (const stop of stops.splice(0)) await stop()
      await Promise.all(looks.map((look) => look.end()))
    },
    status: () => looks.map((look) => look.status()),
  }
}

/**
 * node-cron only says when to look: after a clock is set back it is silent until the old time comes again. The
 * sweep runs on the process's own timer, which no clock moves.
 */
function startTimers(services: Services, look: Look, sweepEach: number): () => unknown {
  const { job } = look
  const isTicking = 'everyMilliseconds' in job
  const sweep = setInterval(look.now, isTicking ? job.everyMilliseconds : sweepEach)
  if (isTicking) return () => clearInterval(sweep)
  const { log } = services
  const task = schedule(job.cron, look.now, {
    name: job.name,
    timezone: 'UTC',
    suppressMissedWarning: true,
    logger: {
      info: (message) => log.debug({ job: job.name }, message),
      debug: (message) => log.debug({ job: job.name }, loggable(message)),
      warn: (message) => log.warn({ job: job.name }, message),
      error: (message) => log.error({ job: job.name }, loggable(message)),
    },
  })
  return () => {
    clearInterval(sweep)
    return task.destroy()
  }
}

type ReadTime = () => Promise<Date>

/** The database's time, which all replicas share, kept from going back. */
function createSteadyClock({ database, clock }: Services): ReadTime {
  let seen: SeenTime | undefined
  return async () => {
    const wall = await database.now()
    seen = steadyTime(seen, wall.getTime(), clock.monotonicMilliseconds())
    return new Date(seen.at)
  }
}

interface Look {
  readonly job: Job
  /** Looks whether the job is due and runs it; does nothing while a run of it is under way here. Never throws. */
  now(): void
  end(): Promise<void>
  status(): JobStatus
}

function createLook(services: Services, job: Job, replica: string, readTime: ReadTime): Look {
  const { clock, clockMonitor, log } = services
  const times = 'cron' in job ? readCron(job.cron) : undefined
  let running: Promise<void> | undefined
  let isEnding = false
  let failureCount = 0
  let doneAt: number | undefined

  const runIfDue = async (): Promise<'done' | 'busy'> => {
    if (times === undefined) {
      await runOperation(services, job)
      return 'done'
    }
    // a wrong clock would forget, expire and report what is not due
    if (!clockMonitor.isTrusted()) return 'busy'
    return runScheduled(services, job, latestScheduledAt(times, await readTime()), replica)
  }
  const run = async (): Promise<void> => {
    try {
      const state = await runIfDue()
      if (state === 'busy') return
      if (failureCount > 0) log.info({ job: job.name }, 'a job succeeds again')
      failureCount = 0
      doneAt = clock.monotonicMilliseconds()
    } catch (error) {
      failureCount += 1
      if (!isWorthLogging(failureCount)) return
      log.error(
        { job: job.name, failure_count: failureCount, error: loggable(error) },
        'a job failed',
      )
    }
  }
  return {
    job,
    now: () => {
      if (running !== undefined || isEnding) return
      running = run().finally(() => {
        running = undefined
      })
    },
    end: async () => {
      isEnding = true
      await running
    },
    status: () => ({
      name: job.name,
      isRunning: running !== undefined,
      failureCount,
      secondsSinceDone:
        doneAt === undefined ? null : (clock.monotonicMilliseconds() - doneAt) / 1000,
    }),
  }
}
