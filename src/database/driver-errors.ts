import { HallpassError } from '../errors.ts'

/** Beside classes 08, 28, 53 and 58: connection, authorization, resources, the server's own system. */
const unreachableSqlStates = new Set([
  '25006',
  '25P03',
  '3D000',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P04',
  '57P05',
])
const unreachableClasses = /^(08|28|53|58)[0-9A-Z]{3}$/
const unreachableSystemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

interface DriverFacts {
  readonly code: string | undefined
  readonly constraint: string | undefined
  readonly message: string
}

/** Finds the driver's error under drizzle's wrapper, whose own message prints every bound value. */
function driverFacts(error: unknown): DriverFacts {
  let current: unknown = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : undefined
    if (code !== undefined || !(current.cause instanceof Error)) {
      const constraint =
        'constraint' in current && typeof current.constraint === 'string'
          ? current.constraint
          : undefined
      return { code, constraint, message: current.message }
    }
    current = current.cause
  }
  return { code: undefined, constraint: undefined, message: '' }
}

function isUnreachable({ code, message }: DriverFacts): boolean {
  if (code !== undefined) {
    return (
      unreachableSqlStates.has(code) ||
      unreachableSystemCodes.has(code) ||
      unreachableClasses.test(code)
    )
  }
  return /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error|cannot use a pool after calling end|not queryable/i.test(
    message,
  )
}

/** A fault of ours or of the database that is no outage. Holds the SQLSTATE and constraint, never a bound value. */
export class DatabaseError extends Error {
  readonly sqlState: string | undefined
  readonly constraint: string | undefined

  constructor(sqlState: string | undefined, constraint: string | undefined) {
    const where = constraint === undefined ? '' : `, constraint ${constraint}`
    super(`database refused a statement (SQLSTATE ${sqlState ?? 'unknown'}${where})`)
    this.name = 'DatabaseError'
    this.sqlState = sqlState
    this.constraint = constraint
  }
}

/** True when running the whole transaction again is right: deadlock or serialization failure. */
export function isRetriable(error: unknown): boolean {
  const { code } = driverFacts(error)
  return code === '40001' || code === '40P01'
}

/** True when the connection may be broken: nothing more should be asked of it. */
export function isOutage(error: unknown): boolean {
  return isUnreachable(driverFacts(error))
}

/** Turns whatever the driver threw into a code; everything that is not the driver's passes through. */
export function translateDriverError(error: unknown): unknown {
  if (error instanceof HallpassError || error instanceof DatabaseError) return error
  const facts = driverFacts(error)
  if (isUnreachable(facts)) {
    return new HallpassError(
      'cannot_decide',
      'The database cannot be reached, so nothing was decided. Try again in a moment.',
    )
  }
  if (isDriverError(error, facts)) return new DatabaseError(facts.code, facts.constraint)
  return error
}

function isDriverError(error: unknown, facts: DriverFacts): boolean {
  if (error instanceof Error && error.name === 'DrizzleQueryError') return true
  return facts.code !== undefined && /^[0-9A-Z]{5}$/.test(facts.code)
}
