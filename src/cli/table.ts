import { printable, widthOf } from './terminal-text.ts'

/** Rows as aligned columns, header first; an empty list says so. */
export function tableOf(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  emptyMessage: string,
): string {
  if (rows.length === 0) return emptyMessage
  return aligned([header.map((title) => title.toUpperCase()), ...rows])
}

/** Rows as aligned columns. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printable))
  const columnCount = Math.max(0, ...cells.map((row) => row.length))
  const widths = Array.from({ length: columnCount }, (_, column) =>
    Math.max(...cells.map((row) => widthOf(row[column] ?? ''))),
  )
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}
