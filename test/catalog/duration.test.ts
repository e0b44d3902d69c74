import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../../src/catalog/duration.ts'

describe('a duration', () => {
  it.each([
    ['30s', 30],
    ['45m', 2_700],
    ['8h', 28_800],
    ['2d', 172_800],
    ['90m', 5_400],
    ['0s', 0],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  it.each([
    '',
    '8',
    'h',
    '8 h',
    '8H',
    '-8h',
    '+8h',
    '1h30m',
    '1.5h',
    '8h\n',
    '٨h',
    '1e3s',
    '99999999999s',
    '4000d',
    '8w',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30 * 86_400 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds)
      }),
    )
  })

  it('is written with the largest unit that divides it', () => {
    expect([3_600, 5_400, 86_400, 59, 0].map(formatDuration)).toEqual([
      '1h',
      '90m',
      '1d',
      '59s',
      '0s',
    ])
  })
})
