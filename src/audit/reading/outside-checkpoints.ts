import { stat } from 'node:fs/promises'
import { HallpassError } from '../../errors.ts'
import { type Checkpoint, openCheckpoint } from '../checkpoint.ts'
import { notesIn } from '../checkpoint-file.ts'
import { NoteFault, type VerifierKey } from '../signed-note.ts'
import { LogFault } from './log-check.ts'

/** A file of signed checkpoints, up to where it reached when it was found. */
export interface OutsideFile {
  readonly path: string
  readonly byteCount: number
}

/**
 * Notes how far the file reaches now. Done before the database is looked at: what is filed is committed, so
 * everything up to there must be in the database. Throws `invalid_input` when there is no such file.
 */
export async function findOutsideFile(path: string): Promise<OutsideFile> {
  try {
    const { size, isFile } = await stat(path).then((found) => ({
      size: found.size,
      isFile: found.isFile(),
    }))
    if (isFile) return { path, byteCount: size }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
  }
  throw new HallpassError('invalid_input', `There is no checkpoint file at ${path}.`)
}

/** Reads one file's checkpoints in file order, one ahead. */
export interface OutsideCheckpoints {
  /** The next checkpoint; undefined at the end. */
  readonly next: Checkpoint | undefined
  /** Pieces of the file that are no checkpoint, as a crash while writing leaves them. */
  readonly unreadableCount: number
  readonly readCount: number
  advance(): Promise<void>
}

/** Throws LogFault for a checkpoint that this log's key did not sign. */
export async function openOutside(
  file: OutsideFile,
  key: VerifierKey,
): Promise<OutsideCheckpoints> {
  const notes = notesIn(file.path, { start: 0, end: file.byteCount })
  let next: Checkpoint | undefined
  let unreadableCount = 0
  let readCount = 0
  const advance = async () => {
    next = undefined
    while (next === undefined) {
      const { value, done } = await notes.next()
      if (done === true) return
      next = openedOutside(value, key)
      if (next === undefined) unreadableCount += 1
      else readCount += 1
    }
  }
  await advance()
  return {
    get next() {
      return next
    },
    get unreadableCount() {
      return unreadableCount
    },
    get readCount() {
      return readCount
    },
    advance,
  }
}

function openedOutside(note: string, key: VerifierKey): Checkpoint | undefined {
  try {
    return openCheckpoint(note, key)
  } catch (error) {
    if (!(error instanceof NoteFault)) throw error
    if (error.kind === 'malformed') return undefined
    if (error.kind === 'bad_signature') {
      throw new LogFault(
        'bad_checkpoint',
        [1, 1],
        'A checkpoint in the file has a wrong signature: the file was changed.',
      )
    }
    throw new LogFault(
      'other_key',
      [1, 1],
      "A checkpoint in the file was signed by another key than this database's: the file is of another log, or the whole log was replaced.",
    )
  }
}
