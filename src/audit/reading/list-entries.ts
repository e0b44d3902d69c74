import { and, eq, gte, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { unionAll } from 'drizzle-orm/pg-core'
import type { OperationContext } from '../../context.ts'
import type { Queryable, Transaction } from '../../database/index.ts'
import { auditEntryTable } from '../../database/schema/audit.ts'
import { HallpassError } from '../../errors.ts'
import { operate } from '../../operation.ts'
import { appendEntry } from '../append-entry.ts'
import { type EntryFields, entryHash } from '../entry.ts'
import { entryOfRow, storedNodes } from '../stored-log.ts'
import { requireReader } from './require-reader.ts'

/** Which entries: all conditions hold. Texts match whole. */
export interface EntryFilter {
  /** Only entries sealed after this position. */
  readonly after?: number | undefined
  /** 1 to 200, 50 by default */
  readonly limit?: number | undefined
  readonly subject?: string | undefined
  readonly action?: string | undefined
  /** A grant's id. */
  readonly grant?: string | undefined
  /** A resource's name. */
  readonly resource?: string | undefined
  /** The entry's `at` is this or later. */
  readonly from?: Date | undefined
  /** The entry's `at` is before this. */
  readonly to?: Date | undefined
  /** Adds, at the end, the entries that are not sealed yet. */
  readonly isWithUnsealed?: boolean | undefined
}

export interface EntryView extends EntryFields {
  /** Null until sealed, at most a second after the entry was committed. */
  readonly position: number | null
  /** The leaf hash, base64; the sealed one once there is one. */
  readonly hash: string
}

export interface EntryPage {
  readonly items: readonly EntryView[]
  /** Goes on as `after`; null at the end. */
  readonly nextCursor: string | null
}

/**
 * Entries of the audit log, oldest first. For admins and operators, and itself an entry, `read-audit`.
 * Throws `not_permitted`, `invalid_input`.
 */
export async function listEntries(ctx: OperationContext, filter: EntryFilter): Promise<EntryPage> {
  const limit = filter.limit ?? 50
  if (!Number.isInteger(limit) || limit < 1 || limit > 200) {
    throw new HallpassError('invalid_input', 'Ask for 1 to 200 entries.', {
      errors: [{ pointer: '/limit', message: 'must be 1 to 200' }],
    })
  }
  return operate(ctx, 'read-audit', async (tx) => {
    await requireReader(tx.db, ctx)
    const rows = await select(tx.db, filter, limit + 1)
    const items = await viewsOf(tx.db, rows.slice(0, limit))
    await recordReading(tx, ctx, filter, items.length)
    const isMore = rows.length > limit
    const lastPosition = items.findLast(({ position }) => position !== null)?.position
    return { items, nextCursor: isMore ? String(lastPosition ?? filter.after ?? 0) : null }
  })
}

type EntryRow = typeof auditEntryTable.$inferSelect

/** One statement, so that an entry that is being sealed meanwhile is in exactly one of the halves. */
async function select(
  db: Queryable,
  filter: EntryFilter,
  count: number,
): Promise<readonly EntryRow[]> {
  const { position, sequence } = auditEntryTable
  const conditions = conditionsOf(filter)
  const sealed = db
    .select()
    .from(auditEntryTable)
    .where(and(sql`${position} > ${filter.after ?? 0}`, ...conditions))
    .orderBy(position)
    .limit(count)
  if (filter.isWithUnsealed !== true) return sealed
  const unsealed = db
    .select()
    .from(auditEntryTable)
    .where(and(isNull(position), ...conditions))
    .orderBy(sequence)
    .limit(count)
  return unionAll(sealed, unsealed).orderBy(sql`position nulls last, sequence`).limit(count)
}

function conditionsOf(filter: EntryFilter): readonly SQL[] {
  const { subject, action, grantId, resource, at } = auditEntryTable
  const conditions: SQL[] = []
  if (filter.subject !== undefined) conditions.push(eq(subject, filter.subject))
  if (filter.action !== undefined) conditions.push(eq(action, filter.action))
  if (filter.grant !== undefined) conditions.push(eq(grantId, filter.grant))
  if (filter.resource !== undefined) conditions.push(eq(resource, filter.resource))
  if (filter.from !== undefined) conditions.push(gte(at, filter.from))
  if (filter.to !== undefined) conditions.push(lt(at, filter.to))
  return conditions
}

async function viewsOf(db: Queryable, rows: readonly EntryRow[]): Promise<readonly EntryView[]> {
  const leafOf = (position: number) => ({ level: 0, index: position - 1 })
  const positions = rows.map(({ position }) => position).filter((position) => position !== null)
  const hashAt = await storedNodes(db, positions.map(leafOf))
  return rows.map((row) => {
    const { position } = row
    const entry = entryOfRow(row)
    const sealed = position === null ? undefined : hashAt(leafOf(position))
    return { position, ...entry, hash: (sealed ?? entryHash(entry)).toString('base64') }
  })
}

async function recordReading(
  tx: Transaction,
  ctx: OperationContext,
  filter: EntryFilter,
  count: number,
): Promise<void> {
  const { isWithUnsealed: unsealed, ...conditions } = filter
  await appendEntry(tx, ctx, {
    action: 'read-audit',
    outcome: 'ok',
    details: { filter: { ...conditions, unsealed }, entry_count: count },
  })
}
