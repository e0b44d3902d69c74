import { describe, expect, it } from 'vitest'
import { parseCatalog } from '../../src/catalog/parse-catalog.ts'
import { smallCatalog, withPart } from './support.ts'

function faultsOf(text: string) {
  return parseCatalog(text).faults
}

describe('a hostile or broken file', () => {
  it('is refused when it is larger than 1 MB', () => {
    const faults = faultsOf(`${smallCatalog}# ${'x'.repeat(1_000_000)}\n`)
    expect(faults).toMatchObject([{ code: 'too_large', line: 1, column: 1 }])
  })

  it.each([
    ['brackets', '['.repeat(500_000)],
    ['closed brackets', '['.repeat(2_000) + ']'.repeat(2_000)],
    ['dashes', `${'- '.repeat(400_000)}a`],
    ['question marks', `${'? '.repeat(400_000)}a`],
    [
      'indentation',
      Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join(''),
    ],
  ])('is refused, not followed, when %s nest without end', (_, text) => {
    expect(faultsOf(text)).toMatchObject([{ code: 'too_large' }])
  })

  it('is refused when its aliases multiply', () => {
    const levels = Array.from({ length: 12 }, (_, level) =>
      level === 0
        ? 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'
        : `a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`,
    )
    const startedAt = performance.now()
    expect(faultsOf(levels.join('\n'))).toMatchObject([
      { code: 'syntax', message: expect.stringContaining('Aliases multiply') },
    ])
    expect(performance.now() - startedAt).toBeLessThan(5_000)
  })

  it('is refused when an alias holds itself', () => {
    expect(faultsOf('groups: &g { a: *g }\n').length).toBeGreaterThan(0)
  })

  it('is refused when one mapping has thousands of keys', () => {
    const keys = Array.from({ length: 60_000 }, (_, index) => `k${index}: v`).join('\n')
    expect(faultsOf(keys)).toMatchObject([{ code: 'too_large' }])
  })

  it('is refused when it holds two documents', () => {
    expect(faultsOf(`${smallCatalog}---\nversion: 1\n`)).toMatchObject([{ code: 'syntax' }])
  })

  it.each([
    ['nothing', ''],
    ['a comment alone', '# later\n'],
    ['a word', 'catalog\n'],
    ['a list', '- version: 1\n'],
  ])('is refused when it is %s', (_, text) => {
    expect(faultsOf(text)).toMatchObject([{ code: 'wrong_type', line: 1, column: 1 }])
  })

  it('is read when an alias repeats a list', () => {
    const text = withPart('requesters: [engineering]', 'requesters: &asking [engineering]').replace(
      lastLine,
      `${lastLine}  - name: again\n    roles: [reader]\n    requesters: *asking\n    max_duration: 1h\n    approval: none\n    when: request.is_extension\n`,
    )
    const { catalog } = parseCatalog(text)
    expect(catalog?.policies[1]?.requesters).toEqual([{ kind: 'group', name: 'engineering' }])
  })

  it('is read with a byte order mark and Windows line ends', () => {
    expect(faultsOf(`\ufeff${smallCatalog.replaceAll('\n', '\r\n')}`)).toEqual([])
  })

  it('is read with names that look like numbers', () => {
    const { catalog, faults } = parseCatalog(
      withPart('  leads: [', '  123: [sam@example.com]\n  leads: [group:123, '),
    )
    expect(faults).toEqual([])
    expect(catalog?.groups.get('123')?.members).toEqual([{ kind: 'person', id: 'sam@example.com' }])
  })
})

const lastLine = '    approval: [{ from: [leads], count: 1 }]\n'
