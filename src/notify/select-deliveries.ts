/** A delivery that is due and locked by this replica. */
export interface Candidate {
  readonly sequence: number
  readonly orderKey: string
}

/** The earliest delivery of a key that still waits. */
export interface Head {
  readonly orderKey: string
  readonly sequence: number
}

/** What to do with each candidate. Those in neither list stay due, for a replica with hands free. */
export interface Selection {
  /** Heads of their key: to be delivered now. */
  readonly take: readonly number[]
  /** Behind an earlier event of their key: not to be looked at again until that one is done. */
  readonly defer: readonly number[]
}

/** Picks at most `free` deliveries so that no event of a key overtakes an earlier one. */
export function selectDeliveries(
  candidates: readonly Candidate[],
  heads: readonly Head[],
  free: number,
): Selection {
  const headOf = new Map(heads.map((head) => [head.orderKey, head.sequence]))
  const isHead = ({ orderKey, sequence }: Candidate) => headOf.get(orderKey) === sequence
  const inOrder = [...candidates].sort((a, b) => a.sequence - b.sequence)
  return {
    take: inOrder
      .filter(isHead)
      .slice(0, free)
      .map(({ sequence }) => sequence),
    defer: inOrder.filter((each) => !isHead(each)).map(({ sequence }) => sequence),
  }
}
