import type { OperationContext } from '../context.ts'

/** Runs one operation; what it returns is kept in the ledger. */
type JobOperation = (
  ctx: OperationContext,
) => Promise<Readonly<Record<string, unknown>> | undefined>

/**
 * A job is one operation that is safe on every replica at once.
 *
 * `cron` (UTC): each scheduled time is run by one replica and kept in the ledger; it is overdue until a run of it
 * succeeded, however late. `everyMilliseconds`: every replica runs it so often on a timer that no clock can
 * move, without a ledger; for sweeps that find their work under row locks and whose scheduled time means nothing.
 */
export type Job = { readonly name: string; readonly run: JobOperation } & (
  | { readonly cron: string }
  | { readonly everyMilliseconds: number }
)

/** How a job fares on this replica. */
export interface JobStatus {
  readonly name: string
  readonly isRunning: boolean
  /** Failures in a row, here. */
  readonly failureCount: number
  /** Since it was last known to be done for its time, by whichever replica; null before the first look. */
  readonly secondsSinceDone: number | null
}
