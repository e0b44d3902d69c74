import { type LeafRange, nodeHash } from './merkle.ts'

/**
 * Whose hashes, in this order, prove that leaf `index` is in the tree of `size` leaves
 * (RFC 6962 section 2.1.1).
 */
export function inclusionRanges(index: number, size: number): readonly LeafRange[] {
  if (index < 0 || index >= size) throw new RangeError('the leaf is not in the tree')
  const ranges: LeafRange[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + splitOf(end - start)
    const isLeft = index < middle
    ranges.unshift(isLeft ? { start: middle, end } : { start, end: middle })
    if (isLeft) end = middle
    else start = middle
  }
  return ranges
}

/**
 * Whose hashes, in this order, prove that the tree of `from` leaves is a prefix of the tree of `to` leaves
 * (RFC 6962 section 2.1.2). Empty when there is nothing to prove: `from` is 0 or equals `to`.
 */
export function consistencyRanges(from: number, to: number): readonly LeafRange[] {
  if (from < 0 || from > to) throw new RangeError('the first tree is larger than the second')
  if (from === 0 || from === to) return []
  const ranges: LeafRange[] = []
  let start = 0
  let end = to
  while (end > from) {
    const middle = start + splitOf(end - start)
    if (from <= middle) {
      ranges.unshift({ start: middle, end })
      end = middle
    } else {
      ranges.unshift({ start, end: middle })
      start = middle
    }
  }
  // the first tree itself is what the verifier has already; any other subtree must be named
  return start === 0 ? ranges : [{ start, end }, ...ranges]
}

/** The largest power of two below n (n > 1). */
function splitOf(n: number): number {
  let split = 1
  while (split * 2 < n) split *= 2
  return split
}

export interface InclusionClaim {
  readonly index: number
  readonly size: number
  readonly leaf: Buffer
  readonly proof: readonly Buffer[]
  readonly root: Buffer
}

/** Checks an inclusion proof (RFC 9162 section 2.1.3.2). */
export function verifyInclusion({ index, size, leaf, proof, root }: InclusionClaim): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) return false
  let node = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else {
      hash = nodeHash(hash, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && hash.equals(root)
}

export interface ConsistencyClaim {
  readonly from: number
  readonly to: number
  readonly fromRoot: Buffer
  readonly toRoot: Buffer
  readonly proof: readonly Buffer[]
}

/** Checks a consistency proof (RFC 9162 section 2.1.4.2). The empty tree is a prefix of every tree. */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { from, to, fromRoot, toRoot, proof } = claim
  if (!isCount(from) || !isCount(to) || from > to) return false
  if (from === to) return proof.length === 0 && fromRoot.equals(toRoot)
  if (from === 0) return proof.length === 0
  const path = Number.isInteger(Math.log2(from)) ? [fromRoot, ...proof] : [...proof]
  const first = path.shift()
  if (first === undefined) return false
  let node = from - 1
  let last = to - 1
  while (node % 2 === 1) [node, last] = [half(node), half(last)]
  let fromHash = first
  let toHash = first
  for (const sibling of path) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      fromHash = nodeHash(sibling, fromHash)
      toHash = nodeHash(sibling, toHash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else {
      toHash = nodeHash(toHash, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && fromHash.equals(fromRoot) && toHash.equals(toRoot)
}

function half(n: number): number {
  return Math.floor(n / 2)
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}
