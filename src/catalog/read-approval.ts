import { isScalar } from 'yaml'
import type { MemberReference, Seat } from './catalog.ts'
import type { Findings, Place } from './finding.ts'
import { type Names, readReferences } from './read-references.ts'
import {
  type Mapping,
  optional,
  readInteger,
  readList,
  readMapping,
  required,
} from './read-values.ts'
import type { Value } from './yaml-source.ts'

const maxCount = 20

/** The seats that could be read, and where each stands. */
export interface Approval {
  readonly seats: readonly { readonly seat: Seat; readonly place: Place }[]
  /** True when the file says `none`. */
  readonly isNone: boolean
  /** False when anything of it has a fault. */
  readonly isWhole: boolean
  readonly place: Place
}

/** Who is to review whom: what the check of seats looks at, whatever else is wrong with the policy. */
export interface Seating {
  readonly requesters: readonly MemberReference[] | undefined
  readonly approval: Approval
  /** The policy's own place. */
  readonly place: Place
}

export function readSeating(
  findings: Findings,
  names: Names,
  mapping: Mapping,
  place: Place,
): Seating {
  const requesters = required(findings, mapping, 'requesters')
  return {
    requesters: requesters && readReferences(findings, names, requesters),
    approval: readApproval(findings, names, mapping),
    place,
  }
}

/** `none`, said explicitly, or at least one seat. Absent or empty never means that nobody need approve. */
function readApproval(findings: Findings, names: Names, mapping: Mapping): Approval {
  const value = optional(mapping, 'approval')
  const place = value ?? mapping.place
  const bad: Approval = { seats: [], isNone: false, isWhole: false, place }
  if (value === undefined) {
    findings.fault(
      mapping.place,
      'missing_key',
      '"approval" is missing here. Name the seats, or write `approval: none` to say that no review is needed.',
    )
    return bad
  }
  if (isScalar(value.node)) {
    if (value.node.value === 'none') return { ...bad, isNone: true, isWhole: true }
    const message = 'Expected `none` or a list of seats: [{ from: [GROUP], count: 1 }].'
    findings.fault(value, 'bad_value', message)
    return bad
  }
  const items = readList(findings, value)
  if (items === undefined) return bad
  const seats = items.flatMap((item) => {
    const seat = readSeat(findings, names, item)
    return seat === undefined ? [] : [{ seat, place: item }]
  })
  return { seats, isNone: false, isWhole: seats.length === items.length, place }
}

function readSeat(findings: Findings, names: Names, value: Value): Seat | undefined {
  const mapping = readMapping(findings, value, ['from', 'count'])
  if (mapping === undefined) return undefined
  const fromValue = required(findings, mapping, 'from')
  const from = fromValue && readReferences(findings, names, fromValue)
  const countValue = optional(mapping, 'count')
  const count =
    countValue === undefined ? 1 : readInteger(findings, countValue, { min: 1, max: maxCount })
  if (from === undefined || fromValue === undefined || count === undefined) return undefined
  if (from.some((reference) => reference.kind === 'workload')) {
    findings.fault(fromValue, 'bad_value', 'Only people review; a workload cannot hold a seat.')
    return undefined
  }
  return { from, count }
}
