import type { Command } from 'commander'
import { durationOf } from '../duration.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { tableOf } from '../table.ts'

interface UnusedOptions {
  readonly windowDays?: string
  readonly subject?: string
  readonly resource?: string
  readonly csv?: boolean
}

/** `report unused` */
export function addReportCommands(program: Command, session: Session): void {
  const report = program.command('report').description('who holds what, and what of it is used')
  report
    .command('unused')
    .description('what was held and what of it was used, as far as you may see')
    .option('--window-days <days>', 'how far to look back, 1 to 365 (default: 90)')
    .option('--subject <subject>', 'of one person or workload alone')
    .option('--resource <name>', 'on one resource alone')
    .option('--csv', 'as CSV')
    .action(async (options: UnusedOptions) => {
      const path = `/v1/reports/unused-permissions?${queryOf(options)}`
      if (options.csv === true) {
        session.io.print((await session.rest().text(path)).trimEnd())
        return
      }
      const found = await session.rest().get(path)
      session.show(found, () => unusedText(found.items as JsonObject[], Number(found.window_days)))
    })
}

function queryOf({ windowDays, subject, resource, csv }: UnusedOptions): URLSearchParams {
  const query = new URLSearchParams()
  if (windowDays !== undefined) query.set('window_days', windowDays)
  if (subject !== undefined) query.set('subject', subject)
  if (resource !== undefined) query.set('resource', resource)
  if (csv === true) query.set('format', 'csv')
  return query
}

/** What there is most to do about comes first. */
const statuses = ['unused', 'partly_used', 'no_data', 'used']

const meanings: Readonly<Record<string, string>> = {
  unused: 'unused',
  partly_used: 'partly used',
  no_data: 'no data',
  used: 'used',
}

function unusedText(items: readonly JsonObject[], windowDays: number): string {
  const place = (item: JsonObject) => statuses.indexOf(String(item.status))
  const sorted = [...items].sort((a, b) => place(a) - place(b))
  const table = tableOf(
    ['subject', 'role', 'status', 'unused scopes', 'held', 'last used', 'would do'],
    sorted.map((item) => [
      String(item.subject),
      String(item.role),
      meanings[String(item.status)] ?? String(item.status),
      (item.unused_scopes as string[]).join(' ') || '-',
      durationOf(Number(item.held_seconds)),
      String(item.last_used_at ?? 'never seen'),
      suggestionText(item.suggestion as JsonObject | null),
    ]),
    `Nobody you may see held anything in the last ${windowDays} days.`,
  )
  return items.length === 0 ? table : [table, '', ...summaryOf(items, windowDays)].join('\n')
}

function suggestionText(suggestion: JsonObject | null): string {
  if (suggestion === null) return '-'
  const scopes = (suggestion.scopes as string[]).join(' ')
  return `${String(suggestion.role)} (${scopes}) for ${durationOf(Number(suggestion.duration_seconds))}`
}

function summaryOf(items: readonly JsonObject[], windowDays: number): readonly string[] {
  const counts = statuses.flatMap((status) => {
    const count = items.filter((item) => item.status === status).length
    return count === 0 ? [] : [`${count} ${meanings[status] ?? status}`]
  })
  const isDark = items.some((item) => item.status === 'no_data')
  return [
    `Last ${windowDays} days: ${counts.join(', ')}.`,
    ...(isDark ? ['No data: the resource has not told what these were used for.'] : []),
  ]
}
