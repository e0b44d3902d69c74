import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  emptyRoot,
  frontierOf,
  growTree,
  hashOfRange,
  leafHash,
  nodeHash,
  subtreesOf,
} from '../../src/audit/merkle.ts'
import { knownLeaves, knownRoots, leavesOf, nodesOf, recursiveRoot } from './reference-tree.ts'

describe('the Merkle tree of RFC 6962', () => {
  it('has the root that the RFC gives to the empty tree', () => {
    expect(emptyRoot.toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
    expect(growTree().root()).toEqual(emptyRoot)
  })

  it('has the published root at every size of the known tree', () => {
    const tree = growTree()
    const roots = knownLeaves.map((leaf) => {
      tree.append(leafHash(leaf))
      return tree.root().toString('hex')
    })
    expect(roots).toEqual(knownRoots)
  })

  it('keeps leaves and inner nodes apart', () => {
    const [left, right] = [leafHash(Buffer.from('a')), leafHash(Buffer.from('b'))]
    expect(leafHash(Buffer.concat([left, right]))).not.toEqual(nodeHash(left, right))
  })

  it('grows to the same root as the recursive definition', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), (size) => {
        const leaves = leavesOf(size)
        const tree = growTree()
        for (const leaf of leaves) tree.append(leaf)
        expect(tree.size).toBe(size)
        expect(tree.root()).toEqual(recursiveRoot(leaves))
      }),
    )
  })

  it('completes every subtree once, with the hash of the recursive definition', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (size) => {
        const leaves = leavesOf(size)
        const nodes = nodesOf(leaves)
        let expected = 0
        for (let width = 1; width <= size; width *= 2) expected += Math.floor(size / width)
        expect(nodes.size).toBe(expected)
        for (const { level, index, hash } of nodes.values()) {
          const width = 2 ** level
          expect(hash).toEqual(recursiveRoot(leaves.slice(index * width, (index + 1) * width)))
        }
      }),
      { numRuns: 30 },
    )
  })

  it('goes on from its frontier as if it had never stopped', () => {
    fc.assert(
      fc.property(fc.nat(150), fc.nat(150), (before, added) => {
        const leaves = leavesOf(before + added)
        const nodes = nodesOf(leaves.slice(0, before))
        const frontier = frontierOf(before).map((node) => {
          const found = nodes.get(`${node.level}/${node.index}`)
          if (found === undefined)
            throw new Error('the frontier names a subtree that is not complete')
          return found.hash
        })
        const tree = growTree(before, frontier)
        for (const leaf of leaves.slice(before)) tree.append(leaf)
        expect(tree.root()).toEqual(recursiveRoot(leaves))
      }),
    )
  })

  it('needs a logarithmic frontier', () => {
    expect(frontierOf(1_000_000)).toHaveLength(7)
    expect(frontierOf(2 ** 40)).toEqual([{ level: 40, index: 0 }])
    expect(subtreesOf({ start: 2 ** 33, end: 2 ** 33 + 3 })).toEqual([
      { level: 1, index: 2 ** 32 },
      { level: 0, index: 2 ** 33 + 2 },
    ])
  })

  it('refuses to answer when a hash it needs is missing', () => {
    expect(() => hashOfRange({ start: 0, end: 3 }, () => undefined)).toThrow(RangeError)
    const tree = growTree(1, [])
    expect(() => tree.append(leafHash(Buffer.from('x')))).toThrow(RangeError)
  })
})
