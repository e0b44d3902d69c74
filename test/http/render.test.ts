import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toJson } from '../../src/http/render.ts'

describe('rendering', () => {
  it('turns members into snake_case and instants into RFC 3339', () => {
    const at = new Date('2026-11-21T10:00:00.250Z')
    expect(toJson({ grantId: 'grt_1', endsAt: at, nested: [{ isOpen: true }] })).toEqual({
      grant_id: 'grt_1',
      ends_at: '2026-11-21T10:00:00.250Z',
      nested: [{ is_open: true }],
    })
  })

  it('leaves out undefined members and keeps null ones', () => {
    expect(toJson({ ticket: undefined, comment: null })).toEqual({ comment: null })
  })

  it.each(['details', 'data', 'scopes'])('leaves the keys below %s as they are', (name) => {
    expect(toJson({ [name]: { 'invoices:read': 'Read', someKey: { innerKey: 1 } } })).toEqual({
      [name]: { 'invoices:read': 'Read', someKey: { innerKey: 1 } },
    })
  })

  it('renders maps as objects and numbers that JSON lacks as null', () => {
    expect(toJson({ scopes: new Map([['a:b', 'A']]), ratio: Number.NaN })).toEqual({
      scopes: { 'a:b': 'A' },
      ratio: null,
    })
  })

  it('refuses what has no rendering', () => {
    expect(() => toJson({ run: () => 1 })).toThrow(TypeError)
  })

  it('gives what JSON.stringify can carry and read back, for any data', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const rendered = toJson({ data: value })
        expect(JSON.parse(JSON.stringify(rendered))).toEqual(
          JSON.parse(JSON.stringify({ data: value })),
        )
      }),
    )
  })
})
