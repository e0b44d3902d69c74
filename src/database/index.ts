export { batched } from './batched.ts'
export { type RunningClockMonitor, startClockMonitor } from './clock-monitor.ts'
export { type ConnectedDatabase, connectDatabase } from './connect.ts'
export {
  type ConnectionSettings,
  type Database,
  isTransactionOpen,
  openDatabase,
  type Queryable,
  type Transaction,
} from './database.ts'
export { DatabaseError } from './driver-errors.ts'
export { areCommitsDurable } from './durability.ts'
export { hasEmbeddedDatabase } from './embedded/index.ts'
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
export { type Listener, openListener } from './listener.ts'
export { MigrationFault, requireCompatible, runMigrations } from './migrations.ts'
