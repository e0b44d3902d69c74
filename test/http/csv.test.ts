import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toCsv } from '../../src/http/csv.ts'

const cell = (value: Parameters<typeof toCsv>[1][number][number]) =>
  toCsv(['h'], [[value]]).slice('h\r\n'.length, -'\r\n'.length)

describe('a CSV', () => {
  it('has a header, commas and CRLF at the end of every line', () => {
    const rows = [
      ['a', 1, null],
      [['x', 'y'], new Date('2026-03-02T09:00:00Z'), ''],
    ]
    expect(toCsv(['one', 'two', 'three'], rows)).toBe(
      'one,two,three\r\na,1,\r\nx y,2026-03-02T09:00:00.000Z,\r\n',
    )
  })

  it('quotes what would part cells or lines, and doubles quotes', () => {
    expect(cell('a,b')).toBe('"a,b"')
    expect(cell('say "no"')).toBe('"say ""no"""')
    expect(cell('a\r\nb')).toBe('"a\r\nb"')
    expect(cell('a;b')).toBe('"a;b"')
  })

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1'])(
    'defuses %j, which a spreadsheet would run',
    (text) => {
      expect(cell(text).replace(/^"/, '')).toMatch(/^'/)
    },
  )

  it('defuses the first of a list, and leaves numbers alone', () => {
    expect(cell(['=cmd', 'b'])).toBe("'=cmd b")
    expect(cell(-1)).toBe('-1')
    expect(cell('a=b')).toBe('a=b')
  })

  it('is read back as what went in, but for the apostrophe', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\r', '\n', ';', '=', ' ', "'") })
    fc.assert(
      fc.property(fc.array(fc.array(text, { minLength: 2, maxLength: 2 })), (rows) => {
        const [, ...read] = parsed(toCsv(['one', 'two'], rows))
        expect(read).toEqual(rows.map((row) => row.map((each) => each.replace(/^[=\r\n]/, "'$&"))))
      }),
    )
  })
})

/** RFC 4180 as a reader sees it. */
function parsed(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  for (const [, quoted, plain, end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g,
  )) {
    row.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'))
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}
