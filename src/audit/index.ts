export { appendEntries, appendEntry, type EntryFacts } from './append-entry.ts'
export { sealEntries } from './seal-entries.ts'
export { isLogWritable, sealLagSeconds } from './seal-lag.ts'
export { ensureAuditKey } from './signing-key.ts'
