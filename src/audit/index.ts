export { appendEntry, type EntryFacts } from './append-entry.ts'
export { type Sealing, sealEntries } from './seal-entries.ts'
export { ensureAuditKey } from './signing-key.ts'
