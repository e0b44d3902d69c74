import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashOfRange, type LeafRange, leafHash } from '../../src/audit/merkle.ts'
import {
  consistencyRanges,
  inclusionRanges,
  verifyConsistency,
  verifyInclusion,
} from '../../src/audit/proofs.ts'
import {
  knownLeaves,
  knownRoots,
  leavesOf,
  nodesOf,
  recursivePath,
  recursiveProof,
  recursiveRoot,
} from './reference-tree.ts'

const largest = 130
const leaves = leavesOf(largest)
const nodes = nodesOf(leaves)

function hashesOf(ranges: readonly LeafRange[]): readonly Buffer[] {
  return ranges.map((range) =>
    hashOfRange(range, ({ level, index }) => nodes.get(`${level}/${index}`)?.hash),
  )
}

const leafOfTree = fc
  .integer({ min: 1, max: largest })
  .chain((size) => fc.record({ size: fc.constant(size), index: fc.nat(size - 1) }))

const twoTrees = fc.nat(largest).chain((to) => fc.record({ to: fc.constant(to), from: fc.nat(to) }))

/** One bit of one hash turned over. */
const flip = (hash: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(hash)
  const at = Math.floor(bit / 8) % copy.length
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << (bit % 8)), at)
  return copy
}

describe('an inclusion proof', () => {
  it('is the audit path of the recursive definition', () => {
    fc.assert(
      fc.property(leafOfTree, ({ size, index }) => {
        expect(hashesOf(inclusionRanges(index, size))).toEqual(
          recursivePath(index, leaves.slice(0, size)),
        )
      }),
    )
  })

  it('verifies for its own leaf, index, size and root', () => {
    fc.assert(
      fc.property(leafOfTree, ({ size, index }) => {
        const claim = inclusionClaim(index, size)
        expect(verifyInclusion(claim)).toBe(true)
      }),
    )
  })

  it('does not verify once leaf, root, proof, index or size is another', () => {
    fc.assert(
      fc.property(leafOfTree, fc.nat(255), fc.nat(), ({ size, index }, bit, which) => {
        const claim = inclusionClaim(index, size)
        const { proof } = claim
        expect(verifyInclusion({ ...claim, leaf: flip(claim.leaf, bit) })).toBe(false)
        expect(verifyInclusion({ ...claim, root: flip(claim.root, bit) })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: [...proof, claim.leaf] })).toBe(false)
        expect(verifyInclusion({ ...claim, index: size })).toBe(false)
        expect(verifyInclusion({ ...claim, index: -1 })).toBe(false)
        if (proof.length === 0) return
        const changed = proof.map((hash, i) =>
          i === which % proof.length ? flip(hash, bit) : hash,
        )
        expect(verifyInclusion({ ...claim, proof: changed })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: proof.slice(1) })).toBe(false)
        expect(verifyInclusion({ ...claim, index: (index + 1) % size })).toBe(false)
      }),
    )
  })

  it('matches the proofs published for the known tree', () => {
    const proof = [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ].map((hex) => Buffer.from(hex, 'hex'))
    const claim = {
      index: 0,
      size: 8,
      leaf: leafHash(Buffer.alloc(0)),
      proof,
      root: Buffer.from(knownRoots[7] ?? '', 'hex'),
    }
    expect(verifyInclusion(claim)).toBe(true)
    expect(
      recursivePath(
        0,
        knownLeaves.map((leaf) => leafHash(leaf)),
      ),
    ).toEqual(proof)
  })

  it('cannot be asked for a leaf outside the tree', () => {
    expect(() => inclusionRanges(3, 3)).toThrow(RangeError)
    expect(() => inclusionRanges(-1, 3)).toThrow(RangeError)
  })

  function inclusionClaim(index: number, size: number) {
    const leaf = leaves[index]
    if (leaf === undefined) throw new Error('no such leaf')
    return {
      index,
      size,
      leaf,
      proof: hashesOf(inclusionRanges(index, size)),
      root: recursiveRoot(leaves.slice(0, size)),
    }
  }
})

describe('a consistency proof', () => {
  it('is the proof of the recursive definition', () => {
    fc.assert(
      fc.property(twoTrees, ({ from, to }) => {
        fc.pre(from > 0)
        expect(hashesOf(consistencyRanges(from, to))).toEqual(
          recursiveProof(from, leaves.slice(0, to)),
        )
      }),
    )
  })

  it('verifies between any two sizes of one log', () => {
    fc.assert(
      fc.property(twoTrees, ({ from, to }) => {
        expect(verifyConsistency(consistencyClaim(from, to))).toBe(true)
      }),
    )
  })

  it('does not verify once a root, the proof or a size is another', () => {
    fc.assert(
      fc.property(twoTrees, fc.nat(255), fc.nat(), ({ from, to }, bit, which) => {
        fc.pre(from > 0)
        const claim = consistencyClaim(from, to)
        const { proof } = claim
        expect(verifyConsistency({ ...claim, fromRoot: flip(claim.fromRoot, bit) })).toBe(false)
        expect(verifyConsistency({ ...claim, toRoot: flip(claim.toRoot, bit) })).toBe(false)
        expect(verifyConsistency({ ...claim, proof: [...proof, claim.toRoot] })).toBe(false)
        expect(verifyConsistency({ ...claim, from: to + 1 })).toBe(false)
        if (proof.length === 0) return
        const changed = proof.map((hash, i) =>
          i === which % proof.length ? flip(hash, bit) : hash,
        )
        expect(verifyConsistency({ ...claim, proof: changed })).toBe(false)
        expect(verifyConsistency({ ...claim, proof: proof.slice(0, -1) })).toBe(false)
      }),
    )
  })

  it('does not verify for a log whose history was rewritten', () => {
    fc.assert(
      fc.property(twoTrees, fc.nat(), ({ from, to }, which) => {
        fc.pre(from > 0 && from < to)
        const rewritten = leaves.slice(0, to)
        rewritten[which % from] = leafHash(Buffer.from('never happened'))
        const claim = consistencyClaim(from, to)
        const forged = {
          ...claim,
          toRoot: recursiveRoot(rewritten),
          proof: recursiveProof(from, rewritten),
        }
        expect(verifyConsistency(forged)).toBe(false)
      }),
    )
  })

  it('cannot be asked to shrink a log', () => {
    expect(() => consistencyRanges(4, 3)).toThrow(RangeError)
  })

  function consistencyClaim(from: number, to: number) {
    return {
      from,
      to,
      fromRoot: recursiveRoot(leaves.slice(0, from)),
      toRoot: recursiveRoot(leaves.slice(0, to)),
      proof: hashesOf(consistencyRanges(from, to)),
    }
  }
})
