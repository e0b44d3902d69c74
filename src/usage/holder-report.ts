import type { UnusedPermission } from './granted-versus-used.ts'
import { type UnusedPermissionJson, unusedPermissionJson } from './unused-permission-json.ts'

/** Until when a holder keeps which role: `kept_permission` as one map a subject. */
export type KeptRoles = ReadonlyMap<string, Date>

/** What one holder is to hear this week. */
export interface HolderReport {
  readonly subject: string
  /** Every row that is not wholly used, each with `kept_until`. */
  readonly items: readonly UnusedPermissionJson[]
  /** Those of them that the holder did not ask to keep. */
  readonly toldItems: readonly UnusedPermissionJson[]
}

/** An event is for reading; the whole list is in the report. */
export const mostToldItems = 50

/** One report for each holder with a row that is unused, partly used or without data; in the rows' order. */
export function holderReports(
  rows: readonly UnusedPermission[],
  keptRoles: (subject: string) => KeptRoles | undefined,
  now: Date,
): readonly HolderReport[] {
  const reports = new Map<string, { items: UnusedPermissionJson[]; told: UnusedPermissionJson[] }>()
  for (const row of rows) {
    if (row.status === 'used') continue
    const report = reports.get(row.subject) ?? { items: [], told: [] }
    reports.set(row.subject, report)
    const until = keptRoles(row.subject)?.get(row.role)
    const isKept = until !== undefined && until > now
    const json = unusedPermissionJson(row)
    report.items.push({ ...json, kept_until: isKept ? until.toISOString() : null })
    if (!isKept) report.told.push(json)
  }
  return [...reports].map(([subject, { items, told }]) => ({ subject, items, toldItems: told }))
}

const dayMilliseconds = 24 * 60 * 60 * 1000

/** The week of an instant (UTC), as the date of its Monday: `2026-03-02`. */
export function weekOf(instant: Date): string {
  const day = Math.floor(instant.getTime() / dayMilliseconds)
  // 1970-01-01 was a Thursday
  const monday = day - ((day + 3) % 7)
  return new Date(monday * dayMilliseconds).toISOString().slice(0, 10)
}
