import { type SQL, sql } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import {
  auditCheckpointTable,
  type auditEntryTable,
  auditNodeTable,
} from '../database/schema/audit.ts'
import type { EntryFields } from './entry.ts'
import { hashOfRange, type LeafRange, type NodeCoordinate, subtreesOf } from './merkle.ts'

type EntryRow = typeof auditEntryTable.$inferSelect

/** The sealed part of a stored row: everything but its position. */
export function entryOfRow(row: EntryRow): EntryFields {
  return {
    id: row.id,
    at: row.at,
    action: row.action,
    actor: { kind: row.actorKind, id: row.actorId, via: row.actorVia },
    subject: row.subject,
    resource: row.resource,
    requestId: row.requestId,
    grantId: row.grantId,
    outcome: row.outcome,
    code: row.code,
    details: row.details,
  }
}

/** How many entries are sealed; null before the very first checkpoint. */
export async function sealedSize(db: Queryable): Promise<number | null> {
  const [row] = await db
    .select({ size: sql<string | null>`max(${auditCheckpointTable.size})` })
    .from(auditCheckpointTable)
  return row?.size == null ? null : Number(row.size)
}

/** The stored hashes of these subtrees; those not stored are left out. */
export async function storedNodes(
  db: Queryable,
  coordinates: readonly NodeCoordinate[],
): Promise<(node: NodeCoordinate) => Buffer | undefined> {
  const levels = sql.param(coordinates.map(({ level }) => level))
  const indexes = sql.param(coordinates.map(({ index }) => index))
  const wanted: SQL = sql`(level, index) in (
    select * from unnest(${levels}::smallint[], ${indexes}::bigint[]))`
  const rows = coordinates.length === 0 ? [] : await db.select().from(auditNodeTable).where(wanted)
  const hashes = new Map(rows.map(({ level, index, hash }) => [`${level}/${index}`, hash]))
  return ({ level, index }) => hashes.get(`${level}/${index}`)
}

/** The hashes of these ranges of leaves, in O(log n) stored nodes each. Throws RangeError when one is missing. */
export async function hashesOfRanges(
  db: Queryable,
  ranges: readonly LeafRange[],
): Promise<readonly Buffer[]> {
  const hashAt = await storedNodes(db, ranges.flatMap(subtreesOf))
  return ranges.map((range) => hashOfRange(range, hashAt))
}
