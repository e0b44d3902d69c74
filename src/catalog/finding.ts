/** A place in the catalog's file, both counted from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

export type CatalogFaultCode =
  | 'syntax'
  | 'too_large'
  | 'unknown_key'
  | 'missing_key'
  | 'wrong_type'
  | 'bad_value'
  | 'bad_name'
  | 'bad_duration'
  | 'bad_pattern'
  | 'bad_condition'
  | 'bad_file'
  | 'duplicate_name'
  | 'duplicate_audience'
  | 'audience_is_issuer'
  | 'name_taken'
  | 'unknown_group'
  | 'unknown_workload'
  | 'unknown_resource'
  | 'unknown_role'
  | 'unknown_scope'
  | 'group_cycle'
  | 'same_human'
  | 'seat_without_people'
  | 'seat_for_requester_only'

export type CatalogWarningCode =
  | 'seat_for_claims_only'
  | 'seat_blocks_requester'
  | 'no_admins'
  | 'role_without_policy'
  | 'policy_never_reached'
  | 'condition_never_used'
  | 'listed_twice'

/** One thing wrong with a catalog: where, and what to do about it. */
export interface CatalogFault extends Position {
  readonly code: CatalogFaultCode
  /** RFC 6901 JSON pointer into the file. */
  readonly pointer: string
  readonly message: string
}

/** Something that loads but is probably not meant. */
export interface CatalogWarning extends Position {
  readonly code: CatalogWarningCode
  readonly pointer: string
  readonly message: string
}

/** Where something stands in the file. */
export interface Place {
  readonly position: Position
  readonly pointer: string
}

/** Gathers everything wrong with a file, so that all of it is reported at once. */
export class Findings {
  readonly faults: CatalogFault[] = []
  readonly warnings: CatalogWarning[] = []

  fault({ position, pointer }: Place, code: CatalogFaultCode, message: string): void {
    this.faults.push({ ...position, pointer, code, message })
  }

  warn({ position, pointer }: Place, code: CatalogWarningCode, message: string): void {
    this.warnings.push({ ...position, pointer, code, message })
  }
}

/** In the order of the file. */
export function byPosition(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column
}
