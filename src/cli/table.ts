/** Rows as aligned columns, header first; an empty list says so. */
export function tableOf(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  emptyMessage: string,
): string {
  if (rows.length === 0) return emptyMessage
  const printableRows = rows.map((row) => row.map(printable))
  const widths = header.map((title, index) =>
    Math.max(title.length, ...printableRows.map((row) => (row[index] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => (index === cells.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(header.map((title) => title.toUpperCase())), ...printableRows.map(line)].join('\n')
}

/** Other people's text must not move the cursor or colour the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => (character === '\n' ? ' ' : '�'))
}
