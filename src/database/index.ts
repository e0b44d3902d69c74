export { batched } from './batched.ts'
export { type RunningClockMonitor, startClockMonitor } from './clock-monitor.ts'
export { type ConnectedDatabase, connectDatabase } from './connect.ts'
export {
  type Database,
  isTransactionOpen,
  openDatabase,
  type Queryable,
  type Transaction,
} from './database.ts'
export { DatabaseError } from './driver-errors.ts'
export {
  beginIdempotent,
  completeIdempotent,
  forgetIdempotencyKeys,
  type IdempotentCall,
  IdempotentReplay,
  type RecordedAnswer,
} from './idempotency.ts'
export {
  claimJobRun,
  deleteFutureJobRuns,
  deleteJobRuns,
  finishJobRun,
  type HeldJobRun,
  latestJobRuns,
  renewJobRun,
} from './job-ledger.ts'
export { runMigrations } from './migrations.ts'
