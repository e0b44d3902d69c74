import { createHash } from 'node:crypto'
import { growTree, leafHash, type TreeNode } from '../../src/audit/merkle.ts'

/** Inputs and roots of the tree that Certificate Transparency implementations test themselves with. */
export const knownLeaves: readonly Buffer[] = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((hex) => Buffer.from(hex, 'hex'))

export const knownRoots: readonly string[] = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** Distinct leaf hashes. */
export function leavesOf(count: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)))
}

/** MTH of RFC 6962 section 2.1, word for word. */
export function recursiveRoot(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves
  if (only === undefined) return sha256()
  if (leaves.length === 1) return only
  const k = splitOf(leaves.length)
  return sha256(Buffer.of(1), recursiveRoot(leaves.slice(0, k)), recursiveRoot(leaves.slice(k)))
}

/** PATH of RFC 6962 section 2.1.1, word for word. */
export function recursivePath(m: number, leaves: readonly Buffer[]): readonly Buffer[] {
  if (leaves.length <= 1) return []
  const k = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)]
  return m < k
    ? [...recursivePath(m, left), recursiveRoot(right)]
    : [...recursivePath(m - k, right), recursiveRoot(left)]
}

/** SUBPROOF of RFC 6962 section 2.1.2, word for word; PROOF is `recursiveProof(m, leaves)`. */
export function recursiveProof(
  m: number,
  leaves: readonly Buffer[],
  isWhole = true,
): readonly Buffer[] {
  if (m === leaves.length) return isWhole ? [] : [recursiveRoot(leaves)]
  const k = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)]
  return m <= k
    ? [...recursiveProof(m, left, isWhole), recursiveRoot(right)]
    : [...recursiveProof(m - k, right, false), recursiveRoot(left)]
}

/** Every complete subtree by `level/index`. */
export function nodesOf(leaves: readonly Buffer[]): ReadonlyMap<string, TreeNode> {
  const tree = growTree()
  const nodes = new Map<string, TreeNode>()
  for (const leaf of leaves) {
    for (const node of tree.append(leaf)) {
      const name = `${node.level}/${node.index}`
      if (nodes.has(name)) throw new Error(`${name} was completed twice`)
      nodes.set(name, node)
    }
  }
  return nodes
}

function splitOf(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}
