import { type Checkpoint, openCheckpoint } from '../checkpoint.ts'
import { type EntryFields, hashIfAny } from '../entry.ts'
import { growTree, type NodeCoordinate } from '../merkle.ts'
import { NoteFault, type VerifierKey } from '../signed-note.ts'

/** What is wrong with the log. */
export interface LogFinding {
  readonly kind:
    | 'edited' // an entry or a hash of the tree is not what was sealed
    | 'moved' // an entry that was sealed at another position
    | 'missing' // an entry was removed
    | 'repeated' // two entries at one position
    | 'unsigned' // entries that no checkpoint vouches for
    | 'bad_checkpoint' // a checkpoint that is damaged or forged
    | 'other_key' // the log is signed by another key than expected
    | 'rewritten' // entries before a checkpoint are not those it was signed for
  /** The first position that is wrong, or may be: it is one of `position` to `upTo`. */
  readonly position: number
  readonly upTo: number
  readonly message: string
}

/** Ends a verification. */
export class LogFault extends Error {
  readonly finding: LogFinding

  constructor(
    kind: LogFinding['kind'],
    [position, upTo]: readonly [number, number],
    message: string,
  ) {
    super(message)
    this.name = 'LogFault'
    this.finding = { kind, position, upTo, message }
  }
}

/** A checkpoint as the database stores it. */
export interface StoredCheckpoint {
  readonly size: number
  readonly root: Buffer
  readonly note: string
}

/** Recomputes the log, entry by entry, and compares it with what was sealed. Every method throws LogFault. */
export interface LogCheck {
  /** Entries found good so far. */
  readonly size: number
  root(): Buffer
  /** The next entry, against the stored hashes of its leaf and of the subtrees that it completes. */
  entry(
    position: number,
    fields: EntryFields,
    hashAt: (node: NodeCoordinate) => Buffer | undefined,
  ): void
  /** A stored checkpoint of exactly this size. */
  stored(checkpoint: StoredCheckpoint): void
}

export function startLogCheck(key: VerifierKey): LogCheck {
  const tree = growTree()
  let vouchedSize = 0
  return {
    get size() {
      return tree.size
    },
    root: () => tree.root(),
    entry(position, fields, hashAt) {
      requireNext(position, tree.size + 1)
      const hash = hashIfAny(fields)
      const sealed = hashAt({ level: 0, index: position - 1 })
      if (hash === undefined || sealed?.equals(hash) !== true) throw edited(position)
      for (const node of tree.append(hash)) requireNode(node, hashAt(node))
    },
    stored(checkpoint) {
      const concerned = [Math.min(vouchedSize + 1, checkpoint.size), checkpoint.size] as const
      const signed = openStored(checkpoint, key, concerned)
      if (!signed.root.equals(tree.root())) throw rewritten(concerned)
      vouchedSize = checkpoint.size
    },
  }
}

function requireNext(position: number, expected: number): void {
  if (position === expected) return
  if (position < expected) {
    throw new LogFault('repeated', [position, position], `There are two entries at ${position}.`)
  }
  throw new LogFault(
    'missing',
    [expected, position - 1],
    `The entry at position ${expected} is missing: it was removed.`,
  )
}

function edited(position: number): LogFault {
  return new LogFault(
    'edited',
    [position, position],
    `The entry at position ${position} is not what was sealed there: it was changed.`,
  )
}

function requireNode(node: NodeCoordinate & { readonly hash: Buffer }, stored: Buffer | undefined) {
  if (stored?.equals(node.hash) === true) return
  const width = 2 ** node.level
  const [first, last] = [node.index * width + 1, (node.index + 1) * width]
  throw new LogFault(
    'edited',
    [first, last],
    `The entries at positions ${first} to ${last} are not what was sealed there, or a hash of the tree over them was changed.`,
  )
}

function openStored(
  checkpoint: StoredCheckpoint,
  key: VerifierKey,
  concerned: readonly [number, number],
): Checkpoint {
  const signed = openedOrFault(checkpoint.note, key, concerned)
  if (signed.size === checkpoint.size && signed.root.equals(checkpoint.root)) return signed
  throw new LogFault(
    'bad_checkpoint',
    concerned,
    `The stored checkpoint of size ${checkpoint.size} is not the one that was signed.`,
  )
}

function openedOrFault(
  note: string,
  key: VerifierKey,
  concerned: readonly [number, number],
): Checkpoint {
  try {
    return openCheckpoint(note, key)
  } catch (error) {
    if (!(error instanceof NoteFault)) throw error
    const kind = error.kind === 'unknown_key' ? 'other_key' : 'bad_checkpoint'
    throw new LogFault(
      kind,
      concerned,
      `A stored checkpoint is not to be believed: ${error.message}`,
    )
  }
}

/** The finding that a checkpoint was signed for other entries than there are now. */
export function rewritten([position, upTo]: readonly [number, number]): LogFault {
  return new LogFault(
    'rewritten',
    [position, upTo],
    `The entries at positions ${position} to ${upTo} are not those that the checkpoint of size ${upTo} was signed for: the log was rewritten.`,
  )
}
