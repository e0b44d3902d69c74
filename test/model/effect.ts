import type { Outcome, SeenEvent } from './system.ts'

/** One object that a change is on record for. */
export interface Change {
  readonly subject?: string
  readonly resource?: string
  readonly request?: number
  readonly grant?: number
}

/** What an act that is not refused does, beside changing the world. */
export interface Effect {
  readonly answer: Omit<Outcome, 'code'>
  readonly events: readonly SeenEvent[]
  /** One audit entry each. */
  readonly changes: readonly Change[]
  /** Requests whose version must be higher afterwards. */
  readonly risen: readonly number[]
  /** Requests that ran out earlier, where storing it may raise the version late. */
  readonly mayRise: readonly number[]
}

export const nothing: Effect = { answer: {}, events: [], changes: [], risen: [], mayRise: [] }
