import type { Catalog, MemberReference, Seat } from './catalog.ts'
import type { Findings } from './finding.ts'
import { claimsIn, humanOf, peopleOf, workloadsOf } from './membership.ts'
import type { PlacedPolicy } from './read-policies.ts'

/**
 * Judges, from what the file alone says, whether the seats of a policy can be filled. Holders of a
 * provider's group are unknown here, so a seat they may take is never a fault.
 */
export function checkSeats(findings: Findings, catalog: Catalog, placed: PlacedPolicy): void {
  const { policy, place, seats } = placed
  const references = policy.approval.flatMap((seat) => seat.from)
  if (!isWhole(catalog, references) || !isWhole(catalog, policy.requesters)) return
  const candidates = policy.approval.map((seat) => candidatesOf(catalog, seat))
  let isFillable = true
  for (const [index, candidate] of candidates.entries()) {
    const seatPlace = seats[index] ?? place
    if (candidate.hasClaims && candidate.humans.size === 0) {
      findings.warn(
        seatPlace,
        'seat_for_claims_only',
        'Only holders of a group of the identity provider can fill this seat. While nobody with it has signed in within 24 h, requests get no_reviewer.',
      )
    } else if (!candidate.hasClaims && candidate.humans.size < candidate.count) {
      isFillable = false
      const message = `This seat needs ${candidate.count}, and ${count(candidate.humans.size)} can fill it. Add people to its groups.`
      findings.fault(seatPlace, 'seat_without_people', message)
    }
  }
  if (!isFillable) return
  if (!canFill(candidates, new Set())) {
    findings.fault(
      place,
      'seat_without_people',
      'The seats of this policy cannot all be filled: a person fills one seat, and too few different people are named.',
    )
    return
  }
  checkRequesters(findings, catalog, placed, candidates)
}

interface Candidates {
  readonly count: number
  readonly humans: ReadonlySet<string>
  readonly hasClaims: boolean
}

function candidatesOf(catalog: Catalog, seat: Seat): Candidates {
  const people = peopleOf(catalog, seat.from)
  return {
    count: seat.count,
    humans: new Set(people.map((id) => humanOf(catalog, id))),
    hasClaims: claimsIn(catalog, seat.from).length > 0,
  }
}

/** A fault when no requester whom the file names could ever be approved; a warning when some could not. */
function checkRequesters(
  findings: Findings,
  catalog: Catalog,
  { policy, place, seats }: PlacedPolicy,
  candidates: readonly Candidates[],
): void {
  const people = peopleOf(catalog, policy.requesters)
  const workloads = workloadsOf(catalog, policy.requesters).map((name) => `workload:${name}`)
  const requesters = [...people, ...workloads]
  const blocked = requesters.filter((id) => !canFill(candidates, onSideOf(catalog, id)))
  if (blocked.length === 0) return
  const seatPlace = placeOfBlocked(catalog, blocked[0] ?? '', candidates, seats) ?? place
  const named = `${blocked.slice(0, 5).join(', ')}${blocked.length > 5 ? ', …' : ''}`
  const everyone = blocked.length === requesters.length
  if (everyone && claimsIn(catalog, policy.requesters).length === 0) {
    findings.fault(
      seatPlace,
      'seat_for_requester_only',
      `Nobody but the requester (${named}) could fill this seat, and no one reviews their own request. Add people to its groups.`,
    )
  } else {
    findings.warn(
      seatPlace,
      'seat_blocks_requester',
      `When ${named} asks, nobody is left to fill this seat: no one reviews their own request.`,
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

function placeOfBlocked<T>(
  catalog: Catalog,
  requesterId: string,
  candidates: readonly Candidates[],
  seats: readonly T[],
): T | undefined {
  const excluded = onSideOf(catalog, requesterId)
  const alone = candidates.findIndex((candidate) => !canFill([candidate], excluded))
  return seats[alone]
}

/** Whether distinct people can take every seat: a maximum matching, by augmenting paths. */
function canFill(candidates: readonly Candidates[], excluded: ReadonlySet<string>): boolean {
  const slots = candidates
    .filter(({ hasClaims }) => !hasClaims)
    .flatMap(({ count: size, humans }) =>
      Array.from({ length: size }, () => [...humans].filter((human) => !excluded.has(human))),
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

function count(people: number): string {
  return people === 0 ? 'nobody' : people === 1 ? 'only one person' : `only ${people} people`
}
