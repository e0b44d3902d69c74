import { NoteFault, openNote, type SignerKey, signNote, type VerifierKey } from './signed-note.ts'

/** What the log states about itself at one size (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Names the log; the same for its whole life. */
  readonly origin: string
  /** How many entries the tree holds. */
  readonly size: number
  /** The root of the RFC 6962 tree, 32 bytes. */
  readonly root: Buffer
}

/** A signed checkpoint, as stored, filed and served. The key's name is the log's origin. */
export function signCheckpoint(tree: Omit<Checkpoint, 'origin'>, key: SignerKey): string {
  return signNote(`${key.name}\n${tree.size}\n${tree.root.toString('base64')}\n`, key)
}

/**
 * Reads a signed checkpoint of this key's log. Throws NoteFault when it is malformed, of another log or key,
 * or wrongly signed.
 */
export function openCheckpoint(note: string, key: VerifierKey): Checkpoint {
  const checkpoint = parseCheckpoint(openNote(note, key))
  if (checkpoint.origin !== key.name) {
    throw new NoteFault('unknown_key', 'This checkpoint is of another log.')
  }
  return checkpoint
}

/** Reads a checkpoint's text. Extension lines are allowed and mean nothing here. */
function parseCheckpoint(text: string): Checkpoint {
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n')
  const size = Number(sizeText)
  const root = Buffer.from(rootText ?? '', 'base64')
  const isWellFormed =
    origin !== undefined &&
    origin !== '' &&
    /^(0|[1-9][0-9]*)$/.test(sizeText ?? '') &&
    Number.isSafeInteger(size) &&
    root.length === 32 &&
    root.toString('base64') === rootText &&
    !extensions.includes('')
  if (!isWellFormed) {
    throw new NoteFault('malformed', 'This signed note is not a checkpoint (origin, size, root).')
  }
  return { origin, size, root }
}
