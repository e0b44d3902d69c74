export type { LogReport } from './check-stored-log.ts'
export { getCheckpoint, getVerifierKey } from './get-checkpoint.ts'
export { type EntryFilter, type EntryPage, type EntryView, listEntries } from './list-entries.ts'
export type { LogFinding } from './log-check.ts'
export {
  type ConsistencyProof,
  type InclusionProof,
  proveEntry,
  proveGrowth,
} from './prove-entry.ts'
export { type VerifyLogInput, verifyLog } from './verify-log.ts'
