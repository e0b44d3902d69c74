import type { Command } from 'commander'
import { durationOf } from '../duration.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { tableOf } from '../table.ts'

/** `report unused` */
export function addReportCommands(program: Command, session: Session): void {
  const report = program.command('report').description('who holds what, and what of it is used')
  report
    .command('unused')
    .description('permissions that nobody used')
    .option('--window-days <days>', 'how far to look back')
    .option('--csv', 'as CSV')
    .action(async (options: { windowDays?: string; csv?: boolean }) => {
      const query = new URLSearchParams()
      if (options.windowDays !== undefined) query.set('window_days', options.windowDays)
      if (options.csv === true) {
        query.set('format', 'csv')
        const text = await session.rest().text(`/v1/reports/unused-permissions?${query}`)
        session.io.print(text.trimEnd())
        return
      }
      const found = await session.rest().get(`/v1/reports/unused-permissions?${query}`)
      session.show(found, () => unusedTable(found.items as JsonObject[]))
    })
}

function unusedTable(items: readonly JsonObject[]): string {
  return tableOf(
    ['subject', 'role', 'status', 'unused scopes', 'held', 'last used'],
    items.map((item) => [
      String(item.subject),
      String(item.role),
      String(item.status),
      (item.unused_scopes as string[]).join(' '),
      durationOf(Number(item.held_seconds)),
      String(item.last_used_at ?? 'never seen'),
    ]),
    'Nobody held anything in this window.',
  )
}
