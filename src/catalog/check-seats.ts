import type { Catalog, MemberReference, Seat } from './catalog.ts'
import type { Findings, Place } from './finding.ts'
import { claimsIn, humanOf, peopleOf, workloadsOf } from './membership.ts'
import type { Seating } from './read-approval.ts'

/**
 * Judges, from what the file alone says, whether the seats of a policy can be filled. Holders of a
 * provider's group are unknown here, so a seat they may take is never a fault.
 */
export function checkSeats(findings: Findings, catalog: Catalog, seating: Seating): void {
  const { approval, place } = seating
  const whole = approval.seats.filter(({ seat }) => isWhole(catalog, seat.from))
  const candidates = whole.map(({ seat, place }) => candidatesOf(catalog, seat, place))
  const areFillable = candidates.map((candidate) => checkSeat(findings, candidate))
  if (areFillable.includes(false)) return
  if (!approval.isWhole || whole.length < approval.seats.length) return
  if (canFill(candidates, new Set())) {
    checkRequesters(findings, catalog, seating, candidates)
  } else {
    findings.fault(
      place,
      'seat_without_people',
      'The seats of this policy cannot all be filled: a person fills one seat, and too few different people are named.',
    )
  }
}

/** Returns false for a seat that nobody can fill. */
function checkSeat(findings: Findings, { place, humans, hasClaims, count }: Candidates): boolean {
  if (hasClaims) {
    if (humans.size > 0) return true
    findings.warn(
      place,
      'seat_for_claims_only',
      'Only holders of a group of the identity provider can fill this seat. While nobody with it has signed in within 24 h, requests get no_reviewer.',
    )
    return true
  }
  if (humans.size >= count) return true
  const message = `This seat needs ${count}, and ${people(humans.size)} can fill it. Add people to its groups.`
  findings.fault(place, 'seat_without_people', message)
  return false
}

interface Candidates {
  readonly place: Place
  readonly count: number
  readonly humans: ReadonlySet<string>
  readonly hasClaims: boolean
}

function candidatesOf(catalog: Catalog, seat: Seat, place: Place): Candidates {
  const named = peopleOf(catalog, seat.from)
  return {
    place,
    count: seat.count,
    humans: new Set(named.map((id) => humanOf(catalog, id))),
    hasClaims: claimsIn(catalog, seat.from).length > 0,
  }
}

/** A fault when no requester whom the file names could ever be approved; a warning when some could not. */
function checkRequesters(
  findings: Findings,
  catalog: Catalog,
  { requesters, place }: Seating,
  candidates: readonly Candidates[],
): void {
  if (requesters === undefined || !isWhole(catalog, requesters)) return
  const named = [
    ...peopleOf(catalog, requesters),
    ...workloadsOf(catalog, requesters).map((name) => `workload:${name}`),
  ]
  const blocked = named.filter((id) => !canFill(candidates, onSideOf(catalog, id)))
  if (blocked.length === 0) return
  const excluded = onSideOf(catalog, blocked[0] ?? '')
  const seatPlace = candidates.find((one) => !canFill([one], excluded))?.place ?? place
  const listed = `${blocked.slice(0, 5).join(', ')}${blocked.length > 5 ? ', …' : ''}`
  if (blocked.length === named.length && claimsIn(catalog, requesters).length === 0) {
    findings.fault(
      seatPlace,
      'seat_for_requester_only',
      `Nobody but the requester (${listed}) could fill this seat, and no one reviews their own request. Add people to its groups.`,
    )
  } else {
    findings.warn(
      seatPlace,
      'seat_blocks_requester',
      `When ${listed} asks, nobody is left to fill this seat: no one reviews their own request.`,
    )
  }
}

/** The humans who may not review for this requester. */
function onSideOf(catalog: Catalog, requesterId: string): ReadonlySet<string> {
  const humans = new Set([humanOf(catalog, requesterId)])
  const workload = requesterId.startsWith('workload:')
    ? catalog.workloads.get(requesterId.slice(9))
    : undefined
  if (workload !== undefined) {
    const owners = peopleOf(catalog, [{ kind: 'group', name: workload.owner }])
    for (const owner of owners) humans.add(humanOf(catalog, owner))
  }
  return humans
}

/** Whether distinct people can take every seat: a maximum matching, by augmenting paths. */
function canFill(candidates: readonly Candidates[], excluded: ReadonlySet<string>): boolean {
  const slots = candidates
    .filter(({ hasClaims }) => !hasClaims)
    .flatMap(({ count, humans }) =>
      Array.from({ length: count }, () => [...humans].filter((human) => !excluded.has(human))),
    )
  const holderOf = new Map<string, number>()
  const place = (slot: number, tried: Set<string>): boolean => {
    for (const human of slots[slot] ?? []) {
      if (tried.has(human)) continue
      tried.add(human)
      const holder = holderOf.get(human)
      if (holder === undefined || place(holder, tried)) {
        holderOf.set(human, slot)
        return true
      }
    }
    return false
  }
  return slots.every((_, slot) => place(slot, new Set()))
}

/** False when a group with a fault is in reach: nothing may be concluded from half a group. */
function isWhole(catalog: Catalog, references: readonly MemberReference[]): boolean {
  const seen = new Set<string>()
  const open = [...references]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.kind !== 'group' || seen.has(next.name)) continue
    seen.add(next.name)
    const group = catalog.groups.get(next.name)
    if (group === undefined) return false
    open.push(...group.members)
  }
  return true
}

function people(count: number): string {
  return count === 0 ? 'nobody' : count === 1 ? 'only one person' : `only ${count} people`
}
