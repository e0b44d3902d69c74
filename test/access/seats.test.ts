import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  assignSeats,
  hasOpenSeat,
  type SeatCandidate,
  type SeatCount,
} from '../../src/access/seats.ts'

/** Tries every way to seat people; slow and obviously right. */
function bruteForce(seats: readonly SeatCount[], candidates: readonly SeatCandidate[]): number {
  const [first, ...rest] = candidates
  if (first === undefined) return 0
  const without = bruteForce(seats, rest)
  const withFirst = first.seats
    .filter((index) => (seats[index]?.count ?? 0) > 0)
    .map((index) => {
      const left = seats.map((seat, at) => ({ count: seat.count - (at === index ? 1 : 0) }))
      return 1 + bruteForce(left, rest)
    })
  return Math.max(without, ...withFirst)
}

const seatsArbitrary = fc.array(fc.record({ count: fc.integer({ min: 1, max: 3 }) }), {
  minLength: 1,
  maxLength: 4,
})
const candidatesArbitrary = fc
  .array(fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }), { maxLength: 7 })
  .map((fits) => fits.map((seats, index) => ({ person: `p${index}`, seats })))
const situation = fc.tuple(seatsArbitrary, candidatesArbitrary).map(([seats, candidates]) => ({
  seats,
  candidates: candidates.map(({ person, seats: fits }) => ({
    person,
    seats: fits.filter((index) => index < seats.length),
  })),
}))

describe('seating people', () => {
  it('seats as many as any assignment could', () => {
    fc.assert(
      fc.property(situation, ({ seats, candidates }) => {
        expect(assignSeats(seats, candidates).filledCount).toBe(bruteForce(seats, candidates))
      }),
      { numRuns: 2_000 },
    )
  })

  it('seats each at most once, only where they fit, never more than a seat holds', () => {
    fc.assert(
      fc.property(situation, ({ seats, candidates }) => {
        const { filledBy, filledCount, isComplete } = assignSeats(seats, candidates)
        const seated = filledBy.flat()
        expect(new Set(seated).size).toBe(seated.length)
        expect(seated).toHaveLength(filledCount)
        for (const [index, people] of filledBy.entries()) {
          expect(people.length).toBeLessThanOrEqual(seats[index]?.count ?? 0)
          for (const person of people) {
            const candidate = candidates.find((one) => one.person === person)
            expect(candidate?.seats).toContain(index)
          }
        }
        expect(isComplete).toBe(filledBy.every((people, at) => people.length === seats[at]?.count))
      }),
    )
  })

  it('fills as many seats in whatever order people came', () => {
    const shuffled = situation.chain(({ seats, candidates }) =>
      fc.record({
        seats: fc.constant(seats),
        candidates: fc.constant(candidates),
        reordered: fc.shuffledSubarray(candidates, {
          minLength: candidates.length,
          maxLength: candidates.length,
        }),
      }),
    )
    fc.assert(
      fc.property(shuffled, ({ seats, candidates, reordered }) => {
        const count = assignSeats(seats, candidates).filledCount
        expect(assignSeats(seats, reordered).filledCount).toBe(count)
      }),
    )
  })

  it('offers an open seat exactly to those who would raise the number of filled seats', () => {
    fc.assert(
      fc.property(
        situation.filter(({ candidates }) => candidates.length > 0),
        ({ seats, candidates }) => {
          const last = candidates.at(-1)
          if (last === undefined) return
          const seated = candidates.slice(0, -1)
          const raises = bruteForce(seats, candidates) > bruteForce(seats, seated)
          expect(hasOpenSeat(seats, seated, last)).toBe(raises)
        },
      ),
    )
  })

  it('counts one person in two groups once', () => {
    const seats = [{ count: 1 }, { count: 1 }]
    const bob = { person: 'bob', seats: [0, 1] }
    expect(assignSeats(seats, [bob])).toMatchObject({ filledCount: 1, isComplete: false })
    expect(assignSeats(seats, [bob, bob]).isComplete).toBe(false)
    expect(hasOpenSeat(seats, [bob], bob)).toBe(false)
  })

  it('counts two accounts of one human once, with the seats of both', () => {
    const seats = [{ count: 1 }, { count: 1 }]
    const asLead = { person: 'bob', seats: [0] }
    const asAdmin = { person: 'bob', seats: [1] }
    expect(assignSeats(seats, [asLead, asAdmin]).filledCount).toBe(1)
  })

  it('moves an earlier approver to another seat when that lets a later one in', () => {
    const seats = [{ count: 1 }, { count: 1 }]
    const sam = { person: 'sam', seats: [0, 1] }
    const bob = { person: 'bob', seats: [0] }
    expect(hasOpenSeat(seats, [sam], bob)).toBe(true)
    expect(assignSeats(seats, [sam, bob]).filledBy).toEqual([['bob'], ['sam']])
  })

  it('is complete without anyone when nobody is needed', () => {
    expect(assignSeats([], []).isComplete).toBe(true)
    expect(hasOpenSeat([], [], { person: 'bob', seats: [] })).toBe(false)
  })

  it('finds three seats among ten thousand people at once', () => {
    const crowd = Array.from({ length: 10_000 }, (_, at) => ({ person: `p${at}`, seats: [0, 1] }))
    expect(assignSeats([{ count: 2 }, { count: 1 }], crowd).isComplete).toBe(true)
  })
})
