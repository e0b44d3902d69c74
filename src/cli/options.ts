import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Session } from './program.ts'
import type { JsonObject } from './rest-client.ts'

/** Collects the values of an option that may be given several times. */
export function collect(value: string, all: string[] = []): string[] {
  return [...all, value]
}

function countFrom(text: string): number {
  const count = Number(text)
  if (/^\d{1,3}$/.test(text) && count >= 1 && count <= 200) return count
  throw new InvalidArgumentError('write a number from 1 to 200.')
}

/** Adds what every list takes: `--state`, `--subject`, and the page. */
export function addListOptions(command: Command, states: readonly string[]): Command {
  return command
    .addOption(new Option('--state <state>', 'only those in this state').choices(states))
    .option('--subject <subject>', 'only those of this subject')
    .option('--limit <count>', 'at most so many (default: 50)', countFrom)
    .option('--cursor <cursor>', 'go on where the page before ended')
}

/** What `addListOptions` reads. */
export interface ListOptions {
  readonly state?: string
  readonly subject?: string
  readonly limit?: number
  readonly cursor?: string
}

/** The path with its query; what was not given is left out. */
export function withQuery(
  path: string,
  values: Readonly<Record<string, string | number | undefined>>,
): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value))
  }
  return query.size === 0 ? path : `${path}?${query}`
}

/** Shows one page of a list, and how to come to the next. */
export function showPage(
  session: Session,
  page: JsonObject,
  text: (items: readonly JsonObject[]) => string,
): void {
  session.show(page, () => text(page.items as JsonObject[]))
  if (typeof page.next_cursor === 'string') {
    session.remark(`There are more; go on with: --cursor ${page.next_cursor}`)
  }
}
