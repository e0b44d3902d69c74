import { createReadStream } from 'node:fs'
import { mkdir, open, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Checkpoint, openCheckpoint } from './checkpoint.ts'
import { NoteFault, type VerifierKey } from './signed-note.ts'

/** More than any checkpoint needs. */
const tailBytes = 4_096

/** Which bytes of a file: `end` is the first that is left out. */
interface ByteRange {
  readonly start?: number
  readonly end?: number
}

/**
 * The notes of a file of signed checkpoints, in file order, one or many. What a crash cut short comes out as
 * a text that is no note: it opens as `malformed`.
 */
export async function* notesIn(path: string, range: ByteRange = {}): AsyncGenerator<string> {
  let text: string[] = []
  let signatures: string[] = []
  let isTextOver = false
  const take = () => {
    const note = `${text.join('\n')}\n\n${signatures.map((line) => `${line}\n`).join('')}`
    text = []
    signatures = []
    isTextOver = false
    return note
  }
  for await (const line of linesIn(path, range)) {
    if (isTextOver && line.startsWith('— ')) {
      signatures.push(line)
      continue
    }
    if (signatures.length > 0 || (isTextOver && line !== '')) yield take()
    if (line !== '') text.push(line)
    else isTextOver = text.length > 0
  }
  if (text.length > 0) yield take()
}

async function* linesIn(path: string, { start = 0, end }: ByteRange): AsyncGenerator<string> {
  if (end !== undefined && end <= start) return
  const last = end === undefined ? {} : { end: end - 1 }
  let rest = ''
  for await (const chunk of createReadStream(path, { start, ...last, encoding: 'utf8' })) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

/** The last checkpoint of this log in the file; undefined when the file holds none or is not there. */
export async function lastCheckpointIn(
  path: string,
  key: VerifierKey,
): Promise<Checkpoint | undefined> {
  const size = await sizeOf(path)
  if (size === 0) return undefined
  const start = Math.max(0, size - tailBytes)
  return (await lastFrom(path, key, start)) ?? (start === 0 ? undefined : lastFrom(path, key, 0))
}

async function lastFrom(path: string, key: VerifierKey, start: number) {
  let last: Checkpoint | undefined
  for await (const note of notesIn(path, { start })) {
    try {
      last = openCheckpoint(note, key)
    } catch (error) {
      if (!(error instanceof NoteFault)) throw error
    }
  }
  return last
}

/**
 * Appends notes and returns once they are on the disk. Beside a new file the verifier key is written, under
 * its name with `.key`, for those who check the log from outside.
 */
export async function appendNotes(
  path: string,
  notes: readonly string[],
  verifierKey: string,
): Promise<void> {
  const folder = dirname(path)
  const isNew = (await sizeOf(path)) === 0
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (isNew) await writeFile(`${path}.key`, `${verifierKey}\n`)
  const file = await open(path, 'a', 0o600)
  try {
    // what a crash cut short is left alone: the file is append-only, and an empty line ends it
    const separator = isNew || (await endsWithEmptyLine(path)) ? '' : '\n\n'
    await file.appendFile(separator + notes.map((note) => `${note}\n`).join(''))
    await file.sync()
  } finally {
    await file.close()
  }
  if (isNew) await syncFolder(folder)
}

async function endsWithEmptyLine(path: string): Promise<boolean> {
  const size = await sizeOf(path)
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, Math.max(0, size - 2))
    return buffer.subarray(0, bytesRead).toString() === '\n\n'
  } finally {
    await file.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0
    throw error
  }
}
