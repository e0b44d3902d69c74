export { appendEntry, type EntryFacts } from './append-entry.ts'
