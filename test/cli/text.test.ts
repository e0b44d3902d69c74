import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { durationOf, secondsOf } from '../../src/cli/duration.ts'
import { CommandEnd } from '../../src/cli/io.ts'
import { jsonText } from '../../src/cli/json.ts'
import { aligned, tableOf } from '../../src/cli/table.ts'
import { printable, shortened, widthOf, withoutControls } from '../../src/cli/terminal-text.ts'

const steering = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202eevil\u2066\u0000\u007f'

describe('text of other people', () => {
  it('cannot steer the terminal or forge a line', () => {
    const shown = printable(`good\nreq_1  approved\r${steering}`)
    expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(shown).toContain('good req_1  approved')
  })

  it('stays as it is when it is only text, in any script', () => {
    for (const text of ['naïve café', '請求書を取り消す', 'счёт', 'فاتورة', '🙂', 'a"b\\c']) {
      expect(printable(text)).toBe(text)
    }
  })

  it('is defused in finished output too, where lines stay lines', () => {
    expect(withoutControls('one\n  two\tthree')).toBe('one\n  two\tthree')
    expect(withoutControls(steering)).not.toMatch(/[\p{Cc}\u202a-\u202e]/u)
  })

  it('has no control character left, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u)
        expect(withoutControls(text)).not.toMatch(/[^\P{Cc}\n\t]/u)
      }),
    )
  })
})

describe('JSON output', () => {
  it('is the same JSON, with nothing in it that a terminal obeys', () => {
    const answer = { justification: steering, nested: [{ comment: '\u2028請求' }] }
    const text = jsonText(answer)
    expect(JSON.parse(text)).toEqual(answer)
    expect(text).not.toMatch(/[^\P{Cc}\n]|[\u2028\u202a-\u202e]/u)
  })

  it('names members in snake_case, and leaves names that are data', () => {
    const answer = {
      tokensRevoked: 2,
      seats: [{ couldFill: ['bob@example.com'] }],
      at: new Date(0),
      scopes: { 'invoices:readAll': 'x' },
      details: { keptAsIs: 1 },
      nothing: null,
    }
    expect(JSON.parse(jsonText(answer))).toEqual({
      tokens_revoked: 2,
      seats: [{ could_fill: ['bob@example.com'] }],
      at: '1970-01-01T00:00:00.000Z',
      scopes: { 'invoices:readAll': 'x' },
      details: { keptAsIs: 1 },
      nothing: null,
    })
  })
})

describe('columns', () => {
  it('align by what a terminal shows, not by code units', () => {
    const text = aligned([
      ['請求', 'x'],
      ['🙂', 'x'],
      ['é', 'x'],
      ['abcdef', 'x'],
    ])
    const columns = text.split('\n').map((line) => widthOf(line.slice(0, line.indexOf('x'))))
    expect(columns).toEqual([8, 8, 8, 8])
  })

  it('have a header, and nothing trails', () => {
    expect(
      tableOf(
        ['id', 'why'],
        [
          ['1', ''],
          ['22', 'x'],
        ],
        'none',
      ),
    ).toBe('ID  WHY\n1\n22  x')
  })

  it('say so when there is nothing', () => {
    expect(tableOf(['id'], [], 'There is nothing.')).toBe('There is nothing.')
  })

  it('are shortened between characters, never inside one', () => {
    expect(shortened('short', 10)).toBe('short')
    expect(shortened('void a duplicate invoice', 10)).toBe('void a du…')
    expect(shortened('🙂🙂🙂🙂', 5)).toBe('🙂🙂…')
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 2, max: 30 }),
        (text, width) => {
          expect(widthOf(shortened(text, width))).toBeLessThanOrEqual(width)
        },
      ),
    )
  })
})

describe('durations', () => {
  it.each([
    ['30s', 30],
    ['45m', 2700],
    ['8h', 28_800],
    ['2d', 172_800],
  ])('%s are %i seconds', (text, seconds) => {
    expect(secondsOf(text)).toBe(seconds)
  })

  it.each(['', '0m', '-1h', '1.5h', '1h30m', '2 h', '2w', '1e3s', 'h', '99999999d'])(
    'refuses "%s" as wrong usage',
    (text) => {
      expect(() => secondsOf(text)).toThrow(CommandEnd)
      expect(() => secondsOf(text)).toThrow(/30s, 45m, 8h or 2d/)
    },
  )

  it.each([
    [0, '0s'],
    [59, '59s'],
    [5400, '1h 30m'],
    [90_061, '1d 1h'],
    [28_800, '8h'],
  ])('%i seconds are shown as %s', (seconds, text) => {
    expect(durationOf(seconds)).toBe(text)
  })
})
