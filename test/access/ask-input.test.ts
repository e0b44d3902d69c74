import { describe, expect, it } from 'vitest'
import { readAsk, startTimeFault } from '../../src/access/ask-input.ts'
import { lineFault, textFault, tidyText } from '../../src/access/free-text.ts'
import { recordSeats, seatsOf } from '../../src/access/seat-notation.ts'

const now = new Date('2026-03-02T09:00:00Z')
const ask = { role: 'operator', durationSeconds: 60, justification: 'void an invoice' }

describe('reading an ask', () => {
  it('fills in what was left out', () => {
    expect(readAsk(ask)).toEqual({
      role: 'operator',
      scopes: undefined,
      durationSeconds: 60,
      justification: 'void an invoice',
      ticket: undefined,
      startsAt: undefined,
      isBreakGlass: false,
      isExtension: false,
    })
  })

  it('takes an empty ticket for none, and each scope once', () => {
    const read = readAsk({ ...ask, ticket: '', scopes: ['b', 'a', 'b'] })
    expect(read).toMatchObject({ ticket: undefined, scopes: ['b', 'a'] })
  })
})

describe('the start', () => {
  it.each([
    [0, true],
    [-1, false],
    [30 * 86_400_000, true],
    [30 * 86_400_000 + 1, false],
  ])('%i ms from now is fine: %s', (milliseconds, isFine) => {
    const fault = startTimeFault(new Date(now.getTime() + milliseconds), now)
    expect(fault === undefined).toBe(isFine)
  })
})

describe('texts', () => {
  it.each([
    ['a tab', 'a\tb'],
    ['a carriage return', 'a\rb'],
    ['a delete', 'a\u007fb'],
    ['a C1 control', 'a\u0085b'],
    ['an override of direction', 'a\u202eb'],
    ['an isolate', 'a\u2066b'],
    ['half a pair', 'a\udc00b'],
  ])('of several lines may not have %s', (_, text) => {
    expect(textFault('/x', text, 100)).toMatchObject({ pointer: '/x' })
  })

  it('may have a line feed in several lines, never in one', () => {
    expect(textFault('/x', 'a\nb', 100)).toBeUndefined()
    expect(lineFault('/x', 'a\nb', 100)).toMatchObject({ pointer: '/x' })
    expect(lineFault('/x', 'a\u2028b', 100)).toMatchObject({ pointer: '/x' })
  })

  it('are counted in characters, not in code units', () => {
    expect(textFault('/x', '😀'.repeat(3), 3)).toBeUndefined()
    expect(textFault('/x', '😀'.repeat(4), 3)).toMatchObject({ pointer: '/x' })
  })

  it('are kept with line feeds alone and nothing blank around', () => {
    expect(tidyText('\r\n a\r\nb\rc \n')).toBe('a\nb\nc')
  })
})

describe('recorded seats', () => {
  const seats = [
    {
      from: [
        { kind: 'group', name: 'payments-leads' },
        { kind: 'claim', name: 'okta:leads' },
      ],
      count: 2,
    },
    {
      from: [
        { kind: 'person', id: 'sam@example.com' },
        { kind: 'workload', name: 'invoice-bot' },
      ],
      count: 1,
    },
  ] as const

  it('are written as the catalog writes them', () => {
    expect(recordSeats(seats)).toEqual([
      { from: ['payments-leads', 'claim:okta:leads'], count: 2, approvedBy: [] },
      { from: ['sam@example.com', 'workload:invoice-bot'], count: 1, approvedBy: [] },
    ])
  })

  it('are read as they were', () => {
    expect(seatsOf(recordSeats(seats))).toEqual(seats)
  })
})
