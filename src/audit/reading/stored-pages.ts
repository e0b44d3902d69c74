import { and, asc, count, eq, gt, isNull, lte, max, sql } from 'drizzle-orm'
import type { Queryable } from '../../database/index.ts'
import {
  auditCheckpointTable,
  auditEntryTable,
  auditNodeTable,
} from '../../database/schema/audit.ts'
import { type EntryFields, hashIfAny } from '../entry.ts'
import type { NodeCoordinate } from '../merkle.ts'
import { entryOfRow } from '../stored-log.ts'
import type { StoredCheckpoint } from './log-check.ts'

/** Sealed entries in position order, and all that was sealed about them. */
export interface StoredPage {
  readonly entries: readonly { readonly position: number; readonly fields: EntryFields }[]
  readonly checkpoints: readonly StoredCheckpoint[]
  readonly hashAt: (node: NodeCoordinate) => Buffer | undefined
}

/** At most `limit` entries after a position, with the subtrees and checkpoints that end among them. */
export async function pageAfter(db: Queryable, after: number, limit: number): Promise<StoredPage> {
  const rows = await db
    .select()
    .from(auditEntryTable)
    .where(gt(auditEntryTable.position, after))
    .orderBy(asc(auditEntryTable.position))
    .limit(limit)
  const entries = rows.flatMap((row) =>
    row.position === null ? [] : [{ position: row.position, fields: entryOfRow(row) }],
  )
  const upTo = after + entries.length
  return {
    entries,
    checkpoints: await checkpointsWithin(db, after, upTo),
    hashAt: await nodesWithin(db, after, upTo),
  }
}

/** The stored checkpoints of more than `after` and at most `upTo` entries, by size. */
export async function checkpointsWithin(
  db: Queryable,
  after: number,
  upTo: number,
): Promise<readonly StoredCheckpoint[]> {
  const { size, root, note } = auditCheckpointTable
  return db
    .select({ size, root, note })
    .from(auditCheckpointTable)
    .where(and(gt(size, after), lte(size, upTo)))
    .orderBy(asc(size))
}

/** The stored subtrees whose last leaf is one of those with positions after `after`, up to `upTo`. */
async function nodesWithin(
  db: Queryable,
  after: number,
  upTo: number,
): Promise<StoredPage['hashAt']> {
  const topLevel = Math.floor(Math.log2(Math.max(1, upTo)))
  const { rows } = await db.execute<{ level: number; index: string; hash: Buffer }>(sql`
    select node.level, node.index, node.hash
    from generate_series(0, ${topLevel}::int) wanted (level)
    cross join lateral (
      select * from audit_node
      where audit_node.level = wanted.level
        and audit_node.index >= (${after}::bigint >> wanted.level)
        and audit_node.index < (${upTo}::bigint >> wanted.level)
    ) node`)
  const hashes = new Map(rows.map(({ level, index, hash }) => [`${level}/${index}`, hash]))
  return ({ level, index }) => hashes.get(`${level}/${index}`)
}

/** How many leaves the stored tree has; entries may have been removed since. */
export async function storedLeafCount(db: Queryable): Promise<number> {
  const [row] = await db
    .select({ index: max(auditNodeTable.index) })
    .from(auditNodeTable)
    .where(eq(auditNodeTable.level, 0))
  return row?.index == null ? 0 : row.index + 1
}

export async function countUnsealed(db: Queryable): Promise<number> {
  const [row] = await db
    .select({ waiting: count() })
    .from(auditEntryTable)
    .where(isNull(auditEntryTable.position))
  return row?.waiting ?? 0
}

/** Where the entry that is at `position` now was sealed; undefined when its content never was. */
export async function sealedPositionOf(
  db: Queryable,
  position: number,
): Promise<number | undefined> {
  const [row] = await db
    .select()
    .from(auditEntryTable)
    .where(eq(auditEntryTable.position, position))
  const hash = row === undefined ? undefined : hashIfAny(entryOfRow(row))
  if (hash === undefined) return undefined
  const [leaf] = await db
    .select({ index: auditNodeTable.index })
    .from(auditNodeTable)
    .where(and(eq(auditNodeTable.level, 0), eq(auditNodeTable.hash, hash)))
    .limit(1)
  return leaf === undefined ? undefined : leaf.index + 1
}
