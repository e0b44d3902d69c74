import { gt, inArray, lt, sql } from 'drizzle-orm'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { keptPermissionTable, unusedPermissionReportTable } from '../database/schema/usage.ts'
import { HallpassError } from '../errors.ts'
import { emitEvents } from '../notify/index.ts'
import { operate, requireTrustedClock } from '../operation.ts'
import type { Window } from './granted-versus-used.ts'
import { type HolderReport, holderReports, mostToldItems, weekOf } from './holder-report.ts'
import { readHolders } from './read-held-grants.ts'
import { defaultWindowDays, unusedPermissions, windowOf } from './report-unused-permissions.ts'

const holdersAtOnce = 200
/** Older reports are forgotten. */
const keptWeeks = 12
const weekMilliseconds = 7 * 24 * 60 * 60 * 1000

/** What a run of the job did itself; what another replica or an earlier attempt did is not counted. */
export interface WeeklyReport {
  /** The Monday of the week. */
  readonly week: string
  readonly reportCount: number
  readonly eventCount: number
}

/**
 * Writes the unused-permission report of this week and tells every holder who has anything that is unused, partly
 * used or without data, and did not ask to keep it. Once a holder and week, however many replicas run it and
 * however often it is repeated; an attempt that broke off is completed by the next. Jobs and operators.
 */
export async function reportUnused(ctx: OperationContext): Promise<WeeklyReport> {
  if (ctx.actor.kind !== 'job' && ctx.actor.kind !== 'operator') {
    throw new HallpassError('not_permitted', 'Only jobs and operators may write the report.')
  }
  requireTrustedClock(ctx)
  const now = ctx.clock.now()
  const week = weekOf(now)
  const window = windowOf(now, defaultWindowDays)
  let reportCount = 0
  let eventCount = 0
  let after = ''
  for (;;) {
    const options = { after, limit: holdersAtOnce }
    const holders = await ctx.database.read((db) => readHolders(db, window, options))
    const last = holders.at(-1)
    if (last === undefined) break
    const reports = await ctx.database.read((db) => reportsOf(db, ctx, window, holders))
    const written = await operate(ctx, 'report-unused', (tx) => write(tx, ctx, week, now, reports))
    reportCount += written.reportCount
    eventCount += written.eventCount
    after = last
  }
  await forgetOldReports(ctx, now)
  return { week, reportCount, eventCount }
}

async function reportsOf(
  db: Queryable,
  ctx: OperationContext,
  window: Window,
  holders: readonly string[],
): Promise<readonly HolderReport[]> {
  const catalog = await catalogInForce(db)
  const visibility = { kind: 'everything' } as const
  const rows = await unusedPermissions(db, ctx, catalog, window, { visibility, subjects: holders })
  const kept = await keptRolesOf(db, holders, window.to)
  return holderReports(rows, (subject) => kept.get(subject), window.to)
}

async function keptRolesOf(db: Queryable, holders: readonly string[], now: Date) {
  const { subject, until } = keptPermissionTable
  const rows = await db
    .select()
    .from(keptPermissionTable)
    .where(sql`${inArray(subject, [...holders])} and ${gt(until, now)}`)
  const kept = new Map<string, Map<string, Date>>()
  for (const row of rows) {
    const roles = kept.get(row.subject) ?? new Map<string, Date>()
    kept.set(row.subject, roles.set(row.role, row.until))
  }
  return kept
}

/** The event goes out with the row: whoever wrote the row tells, and nobody else. */
async function write(
  tx: Transaction,
  ctx: OperationContext,
  week: string,
  generatedAt: Date,
  reports: readonly HolderReport[],
): Promise<{ readonly reportCount: number; readonly eventCount: number }> {
  if (reports.length === 0) return { reportCount: 0, eventCount: 0 }
  const windowDays = defaultWindowDays
  const inserted = await tx.db
    .insert(unusedPermissionReportTable)
    .values(
      reports.map(({ subject, items }) => ({ week, subject, generatedAt, windowDays, items })),
    )
    .onConflictDoNothing()
    .returning({ subject: unusedPermissionReportTable.subject })
  const ours = new Set(inserted.map(({ subject }) => subject))
  const told = reports.filter(({ subject, toldItems }) => ours.has(subject) && toldItems.length > 0)
  const events = told.map(({ subject, toldItems }) => ({
    type: 'report.unused' as const,
    orderKey: subject,
    data: {
      subject,
      week,
      window_days: windowDays,
      generated_at: generatedAt.toISOString(),
      item_count: toldItems.length,
      items: toldItems.slice(0, mostToldItems),
    },
  }))
  await emitEvents(tx, ctx, events)
  return { reportCount: ours.size, eventCount: events.length }
}

async function forgetOldReports(ctx: OperationContext, now: Date): Promise<void> {
  const oldest = weekOf(new Date(now.getTime() - keptWeeks * weekMilliseconds))
  await operate(ctx, 'forget-unused-reports', async ({ db }) => {
    await db.delete(unusedPermissionReportTable).where(lt(unusedPermissionReportTable.week, oldest))
  })
}
