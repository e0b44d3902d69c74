import type { Actor, Services } from '../context.ts'
import { claimJobRun, finishJobRun, type HeldJobRun, renewJobRun } from '../database/index.ts'
import { loggable } from '../errors.ts'
import type { Job } from './job.ts'
import { retrySeconds } from './schedule.ts'

/** A replica that died mid-run is replaced after this long; a living one renews in time. */
const leaseSeconds = 30

/** Runs the operation as the actor `{kind: job, id: its name}`. */
export async function runOperation(services: Services, job: Job) {
  const actor: Actor = { kind: 'job', id: job.name, via: 'job' }
  return job.run({ ...services, actor })
}

/**
 * Runs the job's run of this scheduled time, if this replica is the one to do it. Rejects with the operation's
 * error, after the ledger has it. `done` when it ran now or earlier, `busy` when that is up to another.
 */
export async function runScheduled(
  services: Services,
  job: Job,
  scheduledAt: Date,
  replica: string,
): Promise<'done' | 'busy'> {
  const { database } = services
  const held = await claimJobRun(database, { job: job.name, scheduledAt, replica, leaseSeconds })
  if (held === 'done' || held === 'busy') return held
  const renewal = setInterval(() => renew(services, held), (leaseSeconds / 3) * 1000)
  try {
    const details = (await runOperation(services, job)) ?? {}
    await finish(services, held, { outcome: 'ok', details, retrySeconds: 0 })
    return 'done'
  } catch (error) {
    await finish(services, held, {
      outcome: 'failed',
      details: { error: loggable(error) },
      retrySeconds: retrySeconds(held.attemptCount),
    })
    throw error
  } finally {
    clearInterval(renewal)
  }
}

async function finish(
  { database, log }: Services,
  held: HeldJobRun,
  result: Parameters<typeof finishJobRun>[2],
): Promise<void> {
  const facts = { job: held.job, scheduled_at: held.scheduledAt.toISOString() }
  try {
    const isOurs = await finishJobRun(database, held, result)
    if (!isOurs) log.warn(facts, 'a run of a job outlived its lease; another replica has taken it')
  } catch (error) {
    // the lease ends by itself, and the run is repeated then
    log.warn({ ...facts, error: loggable(error) }, 'the end of a run could not be recorded')
  }
}

function renew({ database, log }: Services, held: HeldJobRun): void {
  renewJobRun(database, held, leaseSeconds).catch((error: unknown) => {
    log.warn({ job: held.job, error: loggable(error) }, 'the lease of a run was not renewed')
  })
}
