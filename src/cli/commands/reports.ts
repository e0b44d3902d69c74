import type { Command } from 'commander'
import { durationOf } from '../duration.ts'
import { withQuery } from '../options.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { tableOf } from '../table.ts'

const path = '/v1/reports/unused-permissions'

interface UnusedOptions {
  windowDays?: string
  subject?: string
  resource?: string
  csv?: boolean
}

/** `report unused` */
export function addReportCommands(program: Command, session: Session): void {
  const report = program.command('report').description('who holds what, and what of it is used')
  report
    .command('unused')
    .description('what was held and what of it was used, as far as you may see')
    .option('--window-days <days>', 'how far to look back, 1 to 365 (default: 90)')
    .option('--subject <subject>', 'only what this subject held')
    .option('--resource <resource>', 'only what was held on this resource')
    .option('--csv', 'as CSV')
    .action(async ({ windowDays: window_days, csv, ...filter }: UnusedOptions) => {
      const query = { window_days, ...filter }
      if (csv === true) {
        const text = await session.rest().text(withQuery(path, { ...query, format: 'csv' }))
        // lines of a terminal and of a pipe end in LF
        return session.io.print(text.replaceAll('\r\n', '\n').trimEnd())
      }
      const found = await session.rest().get(withQuery(path, query))
      session.show(found, () => unusedText(found.items as JsonObject[], Number(found.window_days)))
    })
}

/** What there is most to do about comes first. */
const statuses = ['unused', 'partly_used', 'no_data', 'used']

function unusedText(items: readonly JsonObject[], windowDays: number): string {
  const place = (item: JsonObject) => statuses.indexOf(String(item.status))
  const table = unusedTable([...items].sort((a, b) => place(a) - place(b)))
  return items.length === 0 ? table : [table, '', ...summaryOf(items, windowDays)].join('\n')
}

function summaryOf(items: readonly JsonObject[], windowDays: number): readonly string[] {
  const counts = statuses.flatMap((status) => {
    const count = items.filter((item) => item.status === status).length
    return count === 0 ? [] : [`${count} ${status.replaceAll('_', ' ')}`]
  })
  const isDark = items.some((item) => item.status === 'no_data')
  return [
    `Last ${windowDays} days: ${counts.join(', ')}.`,
    ...(isDark ? ['No data: the resource has not told what these were used for.'] : []),
  ]
}

function unusedTable(items: readonly JsonObject[]): string {
  return tableOf(
    ['subject', 'role', 'status', 'unused scopes', 'held', 'last used', 'enough would be'],
    items.map((item) => [
      String(item.subject),
      String(item.role),
      String(item.status).replaceAll('_', ' '),
      (item.unused_scopes as string[]).join(' '),
      durationOf(Number(item.held_seconds)),
      String(item.last_used_at ?? 'never seen'),
      suggestionText(item.suggestion as JsonObject | null),
    ]),
    'Nobody held anything in this window.',
  )
}

function suggestionText(suggestion: JsonObject | null): string {
  if (suggestion === null) return ''
  const scopes = (suggestion.scopes as string[]).join(' ')
  const duration = durationOf(Number(suggestion.duration_seconds))
  return `${String(suggestion.role)} (${scopes}) for ${duration}`
}
