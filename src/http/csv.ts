/** What a cell can hold. Null is an empty cell. */
export type CsvCell = string | number | Date | readonly string[] | null

/**
 * Renders rows as RFC 4180 says, with a header. A cell that a spreadsheet would take for a formula is defused by
 * a leading apostrophe. Lists are joined by spaces; instants are RFC 3339.
 */
export function toCsv(header: readonly string[], rows: readonly (readonly CsvCell[])[]): string {
  return [header, ...rows].map((row) => `${row.map(cellOf).join(',')}\r\n`).join('')
}

function cellOf(value: CsvCell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  if (value instanceof Date) return value.toISOString()
  const text = defused(typeof value === 'string' ? value : value.join(' '))
  // the semicolon parts cells where the comma is a decimal sign
  return /[",;\r\n\t]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Full-width forms of the signs are read as the signs in some places. */
function defused(text: string): string {
  return /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text
}
