import type { Ask } from '../catalog/index.ts'
import { HallpassError, type InputFault } from '../errors.ts'
import { lineFault, textFault, tidyText } from './free-text.ts'

/** What a subject asks for. `durationSeconds` is a whole number of seconds. */
export interface AskInput {
  readonly role: string
  /** All scopes of the role when left out. */
  readonly scopes?: readonly string[] | undefined
  readonly durationSeconds: number
  /** Several lines are fine; at most 500 characters. */
  readonly justification: string
  readonly ticket?: string | undefined
  /** Not in the past and at most 30 days ahead; the approval starts the clock when left out. */
  readonly startsAt?: Date | undefined
  readonly isBreakGlass?: boolean | undefined
}

const longestJustification = 500
const longestTicket = 100
const longestName = 200
const mostScopes = 200
const farthestStartDays = 30
// far above any max_duration, far below where instants overflow
const longestSeconds = 10 * 365 * 86_400

/** Reads an ask that is well-formed; throws `invalid_input` naming every fault at once. */
export function readAsk(input: AskInput): Ask {
  const ask: Ask = {
    role: input.role,
    scopes: input.scopes === undefined ? undefined : [...new Set(input.scopes)],
    durationSeconds: input.durationSeconds,
    justification: tidyText(input.justification),
    ticket: input.ticket === '' ? undefined : input.ticket,
    startsAt: input.startsAt,
    isBreakGlass: input.isBreakGlass ?? false,
    isExtension: false,
  }
  refuseFaults([
    lineFault('/role', ask.role, longestName),
    scopesFault(ask.scopes),
    durationFault(ask.durationSeconds),
    ...purposeFaults(ask),
    startFault(ask),
  ])
  return ask
}

/** What is wrong with the start at this moment. The bounds hold for every policy. */
export function startTimeFault(startsAt: Date | undefined, now: Date): InputFault | undefined {
  if (startsAt === undefined) return undefined
  const ahead = startsAt.getTime() - now.getTime()
  if (ahead < 0) return { pointer: '/starts_at', message: 'must not be in the past' }
  if (ahead > farthestStartDays * 86_400_000) {
    return { pointer: '/starts_at', message: `must be at most ${farthestStartDays} days ahead` }
  }
  return undefined
}

/** Faults of a duration: a whole number of seconds, at least one. */
export function durationFault(seconds: number): InputFault | undefined {
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= longestSeconds) return undefined
  const message = `must be a whole number of seconds from 1 to ${longestSeconds}`
  return { pointer: '/duration_seconds', message }
}

/** Faults of the reason and the ticket given for an ask. */
export function purposeFaults(
  ask: Pick<Ask, 'justification' | 'ticket'>,
): readonly (InputFault | undefined)[] {
  return [
    textFault('/justification', ask.justification, longestJustification),
    ask.ticket === undefined ? undefined : lineFault('/ticket', ask.ticket, longestTicket),
  ]
}

/** Throws `invalid_input` with all faults there are, if any. */
export function refuseFaults(faults: readonly (InputFault | undefined)[]): void {
  const errors = faults.filter((fault) => fault !== undefined)
  const [first] = errors
  if (first === undefined) return
  throw new HallpassError('invalid_input', `Correct ${first.pointer}: it ${first.message}.`, {
    errors,
  })
}

function scopesFault(scopes: readonly string[] | undefined): InputFault | undefined {
  if (scopes === undefined) return undefined
  if (scopes.length === 0 || scopes.length > mostScopes) {
    return { pointer: '/scopes', message: `must name 1 to ${mostScopes} scopes, or be left out` }
  }
  return scopes
    .map((scope, index) => lineFault(`/scopes/${index}`, scope, longestName))
    .find((fault) => fault !== undefined)
}

function startFault({ startsAt, isBreakGlass }: Ask): InputFault | undefined {
  if (startsAt === undefined) return undefined
  if (Number.isNaN(startsAt.getTime())) return { pointer: '/starts_at', message: 'is no instant' }
  if (!isBreakGlass) return undefined
  return { pointer: '/starts_at', message: 'does not go with break-glass, which starts at once' }
}
