import { sql } from 'drizzle-orm'
import type { Database, Queryable } from '../../database/index.ts'
import { emptyRoot } from '../merkle.ts'
import { parseVerifierKey } from '../signed-note.ts'
import { verifierKeyOf } from '../signing-key.ts'
import { hashesOfRanges, sealedSize } from '../stored-log.ts'
import { type LogCheck, LogFault, type LogFinding, rewritten, startLogCheck } from './log-check.ts'
import { type OutsideCheckpoints, type OutsideFile, openOutside } from './outside-checkpoints.ts'
import {
  checkpointsWithin,
  countUnsealed,
  pageAfter,
  sealedPositionOf,
  storedLeafCount,
} from './stored-pages.ts'

/** What a verification found. */
export interface LogReport {
  readonly isIntact: boolean
  /** Entries found good: all sealed ones, or those before the finding. */
  readonly size: number
  /** Root over them, base64. */
  readonly root: string
  /** The key the checkpoints were verified with; null for a log that was never sealed. */
  readonly verifierKey: string | null
  /** Stored checkpoints that vouch for them. */
  readonly checkpointCount: number
  /** Checkpoints from outside that were compared. */
  readonly outsideCheckpointCount: number
  /** Pieces of the files that are no checkpoint, as a crash while writing leaves them. */
  readonly unreadableCount: number
  /** Entries that wait to be sealed: nothing vouches for them yet. */
  readonly unsealedCount: number
  readonly finding: LogFinding | null
}

interface Progress {
  readonly check: LogCheck
  readonly outside: OutsideCheckpoints[]
  checkpointCount: number
  outsideCheckpointCount: number
  /** Up to here a checkpoint from outside vouches. */
  outsideSize: number
}

const batchSize = 2_000

/** Checks everything in one snapshot, so that a running broker does not disturb it. */
export async function checkStoredLog(
  database: Database,
  files: readonly OutsideFile[],
  trustedKey?: string,
): Promise<LogReport> {
  return database.transaction(async ({ db }) => {
    await db.execute(sql`set transaction isolation level repeatable read, read only`)
    const verifierKey = trustedKey ?? (await verifierKeyOf(db)) ?? null
    const unsealedCount = await countUnsealed(db)
    if (verifierKey === null) return { ...(await reportWithoutKey(db, files)), unsealedCount }
    const key = parseVerifierKey(verifierKey)
    const progress: Progress = {
      check: startLogCheck(key),
      outside: [],
      checkpointCount: 0,
      outsideCheckpointCount: 0,
      outsideSize: 0,
    }
    const finding = await findingOf(db, async () => {
      for (const file of files) progress.outside.push(await openOutside(file, key))
      await checkWhole(db, progress)
    })
    const { check, outside, checkpointCount, outsideCheckpointCount } = progress
    return {
      isIntact: finding === null,
      size: check.size,
      root: check.root().toString('base64'),
      verifierKey,
      checkpointCount,
      outsideCheckpointCount,
      unreadableCount: outside.reduce((sum, { unreadableCount }) => sum + unreadableCount, 0),
      unsealedCount,
      finding,
    }
  })
}

async function checkWhole(db: Queryable, progress: Progress): Promise<void> {
  const { check } = progress
  for (const checkpoint of await checkpointsWithin(db, -1, 0)) check.stored(checkpoint)
  await compareOutside(db, progress)
  while (await checkPage(db, progress)) {
    // page after page, so that memory does not grow with the log
  }
  await checkEnd(db, progress)
}

async function checkPage(db: Queryable, progress: Progress): Promise<boolean> {
  const { check } = progress
  const { entries, checkpoints, hashAt } = await pageAfter(db, check.size, batchSize)
  const waiting = [...checkpoints]
  for (const { position, fields } of entries) {
    check.entry(position, fields, hashAt)
    const checkpoint = waiting[0]?.size === check.size ? waiting.shift() : undefined
    if (checkpoint !== undefined) {
      check.stored(checkpoint)
      progress.checkpointCount += 1
    }
    if (progress.outside.some(({ next }) => isDue(next, check))) await compareOutside(db, progress)
  }
  return entries.length === batchSize
}

function isDue(next: OutsideCheckpoints['next'], check: LogCheck): boolean {
  return next !== undefined && next.size <= check.size
}

async function compareOutside(db: Queryable, progress: Progress): Promise<void> {
  const { check } = progress
  for (const outside of progress.outside) {
    for (; outside.next !== undefined && isDue(outside.next, check); await outside.advance()) {
      const { size, root } = outside.next
      if (!root.equals(await rootAt(db, check, size))) {
        const first = progress.outsideSize < size ? progress.outsideSize + 1 : 1
        throw rewritten([first, size])
      }
      progress.outsideCheckpointCount += 1
      progress.outsideSize = Math.max(progress.outsideSize, size)
    }
  }
}

/** A file that several replicas wrote may step back; by then the stored tree up to there was checked. */
async function rootAt(db: Queryable, check: LogCheck, size: number): Promise<Buffer> {
  if (size === check.size) return check.root()
  const [root] = await hashesOfRanges(db, [{ start: 0, end: size }])
  return root ?? check.root()
}

/** Nothing may state more entries than there are, and none may be without a statement. */
async function checkEnd(db: Queryable, { check, outside }: Progress): Promise<void> {
  const { size } = check
  const signedSize = (await sealedSize(db)) ?? 0
  const statedSize = Math.max(
    signedSize,
    await storedLeafCount(db),
    ...outside.map(({ next }) => next?.size ?? 0),
  )
  if (statedSize > size) {
    throw new LogFault(
      'missing',
      [size + 1, statedSize],
      `The log had ${statedSize} entries and has ${size}: those from position ${size + 1} on were removed.`,
    )
  }
  if (size > signedSize) {
    throw new LogFault(
      'unsigned',
      [signedSize + 1, size],
      `No checkpoint vouches for the entries from position ${signedSize + 1} on.`,
    )
  }
}

async function findingOf(db: Queryable, verify: () => Promise<void>): Promise<LogFinding | null> {
  try {
    await verify()
    return null
  } catch (error) {
    if (!(error instanceof LogFault)) throw error
    return asMoved(db, error.finding)
  }
}

/** Tells an entry that stands in another's place from one that was changed. */
async function asMoved(db: Queryable, finding: LogFinding): Promise<LogFinding> {
  const { kind, position, upTo } = finding
  if (kind !== 'edited' || position !== upTo) return finding
  const sealedAt = await sealedPositionOf(db, position)
  if (sealedAt === undefined || sealedAt === position) return finding
  const message = `The entry at position ${position} is the one that was sealed at position ${sealedAt}: entries were reordered.`
  return { ...finding, kind: 'moved', message }
}

/** Without a key nothing can be verified; that is right only while nothing was ever sealed. */
async function reportWithoutKey(
  db: Queryable,
  files: readonly OutsideFile[],
): Promise<Omit<LogReport, 'unsealedCount'>> {
  const { entries } = await pageAfter(db, 0, 1)
  const isNew = entries.length === 0 && files.length === 0 && (await sealedSize(db)) === null
  return {
    isIntact: isNew,
    size: 0,
    root: emptyRoot.toString('base64'),
    verifierKey: null,
    checkpointCount: 0,
    outsideCheckpointCount: 0,
    unreadableCount: 0,
    finding: isNew
      ? null
      : {
          kind: 'other_key',
          position: 1,
          upTo: 1,
          message: "The log's key is missing from the database, so nothing vouches for any entry.",
        },
  }
}
