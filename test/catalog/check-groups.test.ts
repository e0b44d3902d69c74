import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCatalog } from '../../src/catalog/parse-catalog.ts'

/** Edges of a graph on n groups, as a catalog's `groups`. */
function catalogOf(edges: readonly (readonly number[])[]): string {
  const groups = edges.map(
    (nested, index) => `  g${index}: [${nested.map((to) => `group:g${to}`).join(', ')}]`,
  )
  return `version: 1\nadmins: [sam@example.com]\ngroups:\n${groups.join('\n')}\n`
}

function isCyclic(edges: readonly (readonly number[])[]): boolean {
  const reaches = (from: number, to: number, seen: Set<number>): boolean =>
    (edges[from] ?? []).some((next) => {
      if (next === to) return true
      if (seen.has(next)) return false
      seen.add(next)
      return reaches(next, to, seen)
    })
  return edges.some((_, node) => reaches(node, node, new Set()))
}

describe('nested groups', () => {
  it('are refused exactly when they nest in a circle, and the circle that is printed is one', () => {
    const graphs = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 5 })), {
      minLength: 6,
      maxLength: 6,
    })
    fc.assert(
      fc.property(graphs, (edges) => {
        const { faults } = parseCatalog(catalogOf(edges))
        expect(faults.length > 0).toBe(isCyclic(edges))
        for (const { message, code, line } of faults) {
          expect(code).toBe('group_cycle')
          const circle = (/circle: (.*)\. Take/.exec(message)?.[1] ?? '')
            .split(' → ')
            .map((name) => Number(name.slice(1)))
          expect(circle.length).toBeGreaterThan(1)
          expect(circle.at(-1)).toBe(circle[0])
          // the first group of the circle stands where the fault says
          expect(line).toBe(4 + (circle[0] ?? 0))
          for (const [index, node] of circle.slice(0, -1).entries()) {
            expect(edges[node]).toContain(circle[index + 1])
          }
        }
      }),
    )
  })

  it('are refused for their circle together with any other fault of its groups', () => {
    const text = catalogOf([[1], [2], [0]]).replace('[group:g0]', '[group:g0, group:nowhere, 7]')
    expect(parseCatalog(text).faults.map(({ code, line }) => [code, line])).toEqual([
      ['group_cycle', 4],
      ['unknown_group', 6],
      ['wrong_type', 6],
    ])
  })

  it('may nest thousands deep', () => {
    const chain = Array.from({ length: 3_000 }, (_, index) => (index === 2_999 ? [] : [index + 1]))
    expect(parseCatalog(catalogOf(chain)).faults).toEqual([])
    const circle = Array.from({ length: 3_000 }, (_, index) => [(index + 1) % 3_000])
    expect(parseCatalog(catalogOf(circle)).faults).toHaveLength(1)
  })

  it('are refused once for two circles that share nothing, each by its own name', () => {
    const { faults } = parseCatalog(catalogOf([[1], [0], [3], [2]]))
    expect(faults.map(({ message }) => /circle: (.*)\. Take/.exec(message)?.[1])).toEqual([
      'g0 → g1 → g0',
      'g2 → g3 → g2',
    ])
  })

  it('are reported once for a circle that many ways lead to', () => {
    const { faults } = parseCatalog(catalogOf([[1, 2], [3], [3], [4], [3]]))
    expect(faults.map(({ message }) => /circle: (.*)\. Take/.exec(message)?.[1])).toEqual([
      'g3 → g4 → g3',
    ])
  })

  it('are walked once, however many ways lead through them', () => {
    const diamonds = Array.from({ length: 80 }, (_, index) =>
      index >= 78 ? [] : index % 2 === 0 ? [index + 2, index + 3] : [index + 1, index + 2],
    )
    expect(parseCatalog(catalogOf(diamonds)).faults).toEqual([])
  })
})
