import type { MemberReference, Seat } from '../catalog/index.ts'
import type { RecordedSeat } from './request.ts'

/** A reference as the catalog file writes it in a seat: `payments-leads`, `claim:okta-oncall`, `sam@example.com`. */
function formatReference(reference: MemberReference): string {
  switch (reference.kind) {
    case 'person':
      return reference.id
    case 'workload':
      return `workload:${reference.name}`
    case 'claim':
      return `claim:${reference.name}`
    case 'group':
      return reference.name
    default:
      return reference satisfies never
  }
}

function parseReference(text: string): MemberReference {
  if (text.startsWith('claim:')) return { kind: 'claim', name: text.slice(6) }
  if (text.startsWith('workload:')) return { kind: 'workload', name: text.slice(9) }
  if (text.includes('@')) return { kind: 'person', id: text }
  return { kind: 'group', name: text }
}

/** A policy's seats as a request keeps them; nobody has filled them yet. */
export function recordSeats(seats: readonly Seat[]): readonly RecordedSeat[] {
  return seats.map(({ from, count }) => ({
    from: from.map(formatReference),
    count,
    approvedBy: [],
  }))
}

/** Recorded seats as the catalog's references; a group that is gone has no members. */
export function seatsOf(recorded: readonly RecordedSeat[]): readonly Seat[] {
  return recorded.map(({ from, count }) => ({ from: from.map(parseReference), count }))
}
