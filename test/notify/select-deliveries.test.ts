import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { selectDeliveries } from '../../src/notify/select-deliveries.ts'

const at = (sequence: number, orderKey: string) => ({ sequence, orderKey })

describe('which deliveries a replica takes', () => {
  it('takes the head of each key and defers those behind it', () => {
    const heads = [at(1, 'a'), at(3, 'b')]
    expect(selectDeliveries([at(2, 'a'), at(1, 'a'), at(3, 'b')], heads, 8)).toEqual({
      take: [1, 3],
      defer: [2],
    })
  })

  it('defers one whose head somebody else holds', () => {
    expect(selectDeliveries([at(2, 'a')], [at(1, 'a')], 8)).toEqual({ take: [], defer: [2] })
  })

  it('leaves heads alone that it has no hands for', () => {
    const heads = [at(1, 'a'), at(2, 'b'), at(3, 'c')]
    expect(selectDeliveries([...heads].reverse(), heads, 2)).toEqual({ take: [1, 2], defer: [] })
  })

  it('never takes two of a key, nor one with an earlier one waiting', () => {
    const waiting = fc.uniqueArray(
      fc.record({ sequence: fc.nat(1_000), orderKey: fc.constantFrom('a', 'b', 'c', 'd') }),
      { selector: ({ sequence }) => sequence, maxLength: 40 },
    )
    fc.assert(
      fc.property(waiting, fc.nat(8), fc.infiniteStream(fc.boolean()), (all, free, isCandidate) => {
        const candidates = all.filter(() => isCandidate.next().value)
        const keys = [...new Set(all.map(({ orderKey }) => orderKey))]
        const heads = keys.map((orderKey) => {
          const sequences = all.filter((each) => each.orderKey === orderKey)
          return at(Math.min(...sequences.map(({ sequence }) => sequence)), orderKey)
        })
        const { take, defer } = selectDeliveries(candidates, heads, free)
        expect(take.length).toBeLessThanOrEqual(free)
        for (const sequence of take) {
          const taken = all.find((each) => each.sequence === sequence)
          const earlier = all.filter(
            (each) => each.orderKey === taken?.orderKey && each.sequence < sequence,
          )
          expect(earlier).toEqual([])
        }
        expect(take.filter((sequence) => defer.includes(sequence))).toEqual([])
      }),
    )
  })
})
