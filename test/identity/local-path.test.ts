import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { localPath } from '../../src/identity/local-path.ts'

const host = 'https://hallpass.example.com'

describe('localPath', () => {
  it.each(['/', '/sign-in', '/oauth/authorize?client_id=hallpass-cli&state=a%2Fb', '/a//b'])(
    'keeps %s',
    (path) => {
      expect(localPath(path)).toBe(path)
    },
  )

  it.each([
    undefined,
    '',
    'sign-in',
    'https://evil.example/',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n//evil.example',
    ' //evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/%0d%0a\r\nSet-Cookie: a=b',
    'javascript:alert(1)',
    `/${'a'.repeat(4_000)}`,
  ])('turns %j into the sign-in page', (path) => {
    expect(localPath(path)).toBe('/sign-in')
  })

  it('never leads a browser to another host, whatever it is given', () => {
    const pieces = fc.array(
      fc.constantFrom(
        '/',
        '\\',
        '.',
        '..',
        '@',
        ':',
        '?',
        '#',
        '%2f',
        '%5c',
        '\t',
        '\n',
        '\0',
        'evil.example',
        'http:',
        ' ',
        '‥',
        'a',
      ),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(pieces, (parts) => {
        const location = localPath(parts.join(''))
        expect(new URL(location, host).origin).toBe(host)
        expect(location).toMatch(/^\/(?!\/)[\x21-\x7e]*$/)
      }),
      { numRuns: 2_000 },
    )
  })
})
