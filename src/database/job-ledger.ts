import { and, desc, eq, exists, gt, lt, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Database, Queryable, Transaction } from './database.ts'
import { jobRunTable } from './schema/jobs.ts'

const run = jobRunTable

/** A run that this replica holds until its lease ends. */
export interface HeldJobRun {
  readonly job: string
  readonly scheduledAt: Date
  /** Which attempt this is; also tells the holder's claim from any later one. */
  readonly attemptCount: number
}

/** A run as the ledger tells it. */
export interface JobRun {
  readonly job: string
  readonly scheduledAt: Date
  readonly startedAt: Date
  readonly finishedAt: Date | null
  readonly outcome: 'ok' | 'failed' | null
  readonly details: Readonly<Record<string, unknown>> | null
  readonly replica: string
  readonly attemptCount: number
}

/** Further ahead than any lease or delay: the database's clock was set back, so it holds nobody up. */
const farAhead = sql`clock_timestamp() + interval '15 minutes'`
const fromNow = (seconds: number): SQL => sql`clock_timestamp() + make_interval(secs => ${seconds})`

/**
 * Takes the run of `job` for this scheduled time: the first to ask, or whoever asks after a holder died or an
 * attempt failed and its delay is over. `done` when a run of it succeeded, `busy` when it is held or waits to be
 * repeated.
 */
export async function claimJobRun(
  database: Database,
  claim: {
    readonly job: string
    readonly scheduledAt: Date
    readonly replica: string
    readonly leaseSeconds: number
  },
): Promise<HeldJobRun | 'done' | 'busy'> {
  const { job, scheduledAt, replica, leaseSeconds } = claim
  const isDone = and(eq(run.job, job), eq(run.scheduledAt, scheduledAt), eq(run.outcome, 'ok'))
  return database.read(async (db) => {
    // most looks end here, without writing anything
    const done = await db.select({ job: run.job }).from(run).where(isDone)
    if (done.length > 0) return 'done'
    const startedAt = sql`clock_timestamp()`
    const [held] = await db
      .insert(run)
      .values({ job, scheduledAt, replica, startedAt, heldUntil: fromNow(leaseSeconds) })
      .onConflictDoUpdate({
        target: [run.job, run.scheduledAt],
        set: {
          replica,
          startedAt,
          heldUntil: fromNow(leaseSeconds),
          attemptCount: sql`${run.attemptCount} + 1`,
          finishedAt: null,
          outcome: null,
          details: null,
        },
        setWhere: sql`${run.outcome} is distinct from 'ok'
          and (${run.heldUntil} < clock_timestamp() or ${run.heldUntil} > ${farAhead})`,
      })
      .returning({ job: run.job, scheduledAt: run.scheduledAt, attemptCount: run.attemptCount })
    return held ?? 'busy'
  })
}

function isHeld({ job, scheduledAt, attemptCount }: HeldJobRun) {
  return and(
    eq(run.job, job),
    eq(run.scheduledAt, scheduledAt),
    eq(run.attemptCount, attemptCount),
    sql`${run.outcome} is null`,
  )
}

/** Moves the end of the lease; false when the run is somebody else's by now. */
export async function renewJobRun(
  database: Database,
  held: HeldJobRun,
  leaseSeconds: number,
): Promise<boolean> {
  const moved = await database.read((db) =>
    db
      .update(run)
      .set({ heldUntil: fromNow(leaseSeconds) })
      .where(isHeld(held)),
  )
  return moved.rowCount === 1
}

/** Records how a run ended; a failed one may be taken again after `retrySeconds`. False when it was taken over. */
export async function finishJobRun(
  database: Database,
  held: HeldJobRun,
  result: {
    readonly outcome: 'ok' | 'failed'
    readonly details: Readonly<Record<string, unknown>>
    readonly retrySeconds: number
  },
): Promise<boolean> {
  const moved = await database.read((db) =>
    db
      .update(run)
      .set({
        outcome: result.outcome,
        details: result.details,
        finishedAt: sql`clock_timestamp()`,
        heldUntil: fromNow(result.retrySeconds),
      })
      .where(isHeld(held)),
  )
  return moved.rowCount === 1
}

/** The latest run of each job, by scheduled time; of doctor and metrics. */
export async function latestJobRuns(db: Queryable): Promise<readonly JobRun[]> {
  return db
    .selectDistinctOn([run.job], {
      job: run.job,
      scheduledAt: run.scheduledAt,
      startedAt: run.startedAt,
      finishedAt: run.finishedAt,
      outcome: run.outcome,
      details: run.details,
      replica: run.replica,
      attemptCount: run.attemptCount,
    })
    .from(run)
    .orderBy(run.job, desc(run.scheduledAt))
}

/** Removes runs scheduled before `before`, but never the latest of a job; returns how many. */
export async function deleteJobRuns(tx: Transaction, before: Date): Promise<number> {
  const later = alias(run, 'later')
  const superseded = tx.db
    .select({ job: later.job })
    .from(later)
    .where(and(eq(later.job, run.job), gt(later.scheduledAt, run.scheduledAt)))
  const removed = await tx.db
    .delete(run)
    .where(and(lt(run.scheduledAt, before), exists(superseded)))
  return removed.rowCount ?? 0
}

/**
 * Removes runs scheduled for later than now. Only a clock that was set back leaves such rows, and with them
 * their jobs would stay silent until that time comes again.
 */
export async function deleteFutureJobRuns(database: Database): Promise<number> {
  const removed = await database.read((db) =>
    db.delete(run).where(gt(run.scheduledAt, sql`clock_timestamp() + interval '1 minute'`)),
  )
  return removed.rowCount ?? 0
}
