/** So many distinct people are needed. */
export interface SeatCount {
  readonly count: number
}

/** One person and the seats (by index) that this person could fill. */
export interface SeatCandidate {
  readonly person: string
  readonly seats: readonly number[]
}

/** Who sits where. */
export interface SeatAssignment {
  /** For each seat the people who fill it, in the order of the candidates. */
  readonly filledBy: readonly (readonly string[])[]
  readonly filledCount: number
  /** Every seat has as many people as it needs. */
  readonly isComplete: boolean
}

/**
 * Seats as many people as possible, each at most once (a maximum bipartite matching, grown along augmenting
 * paths). Exact: nobody is refused because of the order in which people came. Candidates of the same name
 * are one person with the seats of all.
 */
export function assignSeats(
  seats: readonly SeatCount[],
  candidates: readonly SeatCandidate[],
): SeatAssignment {
  const people = oneEach(candidates)
  const needed = seats.reduce((sum, seat) => sum + seat.count, 0)
  const occupants: string[][] = seats.map(() => [])
  let filledCount = 0
  for (const person of people.keys()) {
    if (filledCount === needed) break
    if (place(person, people, seats, occupants, new Set())) filledCount += 1
  }
  const order = new Map([...people.keys()].map((person, index) => [person, index]))
  const filledBy = occupants.map((seated) =>
    seated.toSorted((left, right) => (order.get(left) ?? 0) - (order.get(right) ?? 0)),
  )
  return { filledBy, filledCount, isComplete: filledCount === needed }
}

/** Whether one more person would fill a seat that is open, if need be by moving others to seats they also fit. */
export function hasOpenSeat(
  seats: readonly SeatCount[],
  seated: readonly SeatCandidate[],
  candidate: SeatCandidate,
): boolean {
  if (seated.some(({ person }) => person === candidate.person)) return false
  const before = assignSeats(seats, seated).filledCount
  return assignSeats(seats, [...seated, candidate]).filledCount > before
}

function oneEach(candidates: readonly SeatCandidate[]): ReadonlyMap<string, ReadonlySet<number>> {
  const people = new Map<string, Set<number>>()
  for (const { person, seats } of candidates) {
    const known = people.get(person) ?? new Set()
    for (const seat of seats) known.add(seat)
    people.set(person, known)
  }
  return people
}

function place(
  person: string,
  people: ReadonlyMap<string, ReadonlySet<number>>,
  seats: readonly SeatCount[],
  occupants: string[][],
  tried: Set<number>,
): boolean {
  for (const index of people.get(person) ?? []) {
    const seat = seats[index]
    const seated = occupants[index]
    if (seat === undefined || seated === undefined || tried.has(index)) continue
    tried.add(index)
    if (seated.length < seat.count) {
      seated.push(person)
      return true
    }
    for (const [position, other] of seated.entries()) {
      if (!place(other, people, seats, occupants, tried)) continue
      seated[position] = person
      return true
    }
  }
  return false
}
