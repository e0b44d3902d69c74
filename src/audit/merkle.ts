import { createHash } from 'node:crypto'

/**
 * The Merkle tree of RFC 6962 section 2.1 over leaves counted from 0. A node (level, index) is the root of
 * the complete subtree over the leaves [index · 2^level, (index + 1) · 2^level).
 */
export interface NodeCoordinate {
  readonly level: number
  readonly index: number
}

export interface TreeNode extends NodeCoordinate {
  /** 32 bytes */
  readonly hash: Buffer
}

/** A tree that leaves are appended to; it keeps O(log n) hashes. */
export interface GrowingTree {
  readonly size: number
  /** Appends one leaf hash; answers every subtree that it completes, the leaf itself first. */
  append(leaf: Buffer): readonly TreeNode[]
  /** The root over all leaves so far (32 bytes). */
  root(): Buffer
}

/** The root of the empty tree: the hash of nothing. */
export const emptyRoot = sha256(Buffer.alloc(0))

const leafPrefix = Buffer.of(0)
const nodePrefix = Buffer.of(1)

/** Hash of one leaf's data, apart from inner nodes by its prefix (RFC 6962 section 2.1). */
export function leafHash(data: Uint8Array): Buffer {
  return sha256(leafPrefix, data)
}

/** Hash of an inner node. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(nodePrefix, left, right)
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The complete subtrees, largest first, that a tree of this size falls into: all an append needs. */
export function frontierOf(size: number): readonly NodeCoordinate[] {
  return subtreesOf({ start: 0, end: size })
}

/** Goes on from a tree of `size` leaves whose frontier has these hashes, in the order of `frontierOf`. */
export function growTree(size = 0, frontier: readonly Buffer[] = []): GrowingTree {
  const peaks = [...frontier]
  let count = size
  return {
    get size() {
      return count
    },
    append(leaf) {
      const completed: TreeNode[] = [{ level: 0, index: count, hash: leaf }]
      let hash = leaf
      let index = count
      for (let level = 1; index % 2 === 1; level += 1) {
        hash = nodeHash(peaks.pop() ?? missing('frontier'), hash)
        index = (index - 1) / 2
        completed.push({ level, index, hash })
      }
      peaks.push(hash)
      count += 1
      return completed
    },
    root: () => foldPeaks(peaks),
  }
}

function foldPeaks(peaks: readonly Buffer[]): Buffer {
  const last = peaks.at(-1)
  if (last === undefined) return emptyRoot
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

/** The leaves [start, end). */
export interface LeafRange {
  readonly start: number
  readonly end: number
}

/** The complete subtrees, left to right, that make up a range as the proofs below cut it. */
export function subtreesOf(range: LeafRange): readonly NodeCoordinate[] {
  const nodes: NodeCoordinate[] = []
  for (let start = range.start; start < range.end; ) {
    let level = 0
    while (start % 2 ** (level + 1) === 0 && start + 2 ** (level + 1) <= range.end) level += 1
    nodes.push({ level, index: start / 2 ** level })
    start += 2 ** level
  }
  return nodes
}

/** The hash of a range, out of the hashes of its `subtreesOf`. */
export function hashOfRange(
  range: LeafRange,
  hashAt: (node: NodeCoordinate) => Buffer | undefined,
): Buffer {
  return foldPeaks(subtreesOf(range).map((node) => hashAt(node) ?? missing('node')))
}

function missing(what: string): never {
  throw new RangeError(`the Merkle tree lacks a ${what}`)
}
