import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBasic } from '../../src/identity/basic-header.ts'

const encoded = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

/** RFC 6749 §2.3.1, as a stock client does it. */
const formEncoded = (text: string) =>
  encodeURIComponent(text).replaceAll('%20', '+').replaceAll('!', '%21')

describe('parseBasic', () => {
  it('reads any name and secret that a client form-urlencodes', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        (clientId, secret) => {
          const header = encoded(`${formEncoded(clientId)}:${formEncoded(secret)}`)
          expect(parseBasic(header)).toEqual({ clientId, secret })
        },
      ),
    )
  })

  it('keeps every colon after the first in the secret', () => {
    expect(parseBasic(encoded('a:b:c'))).toEqual({ clientId: 'a', secret: 'b:c' })
  })

  it('takes the scheme in any case (RFC 9110 §11.1)', () => {
    expect(parseBasic(encoded('a:b').replace('Basic', 'bAsIC'))?.clientId).toBe('a')
  })

  it.each([
    ['another scheme', 'Bearer hps_abc'],
    ['no scheme', Buffer.from('a:b').toString('base64')],
    ['two credentials', `${encoded('a:b')}, ${encoded('c:d')}`],
    ['what is not base64', 'Basic !!!!'],
    ['no colon', encoded('abc')],
    ['no name', encoded(':secret')],
    ['no secret', encoded('name:')],
    ['a broken percent code', encoded('na%me:secret')],
    ['nothing', ''],
  ])('reads nothing from %s', (_name, header) => {
    expect(parseBasic(header)).toBeUndefined()
  })
})
