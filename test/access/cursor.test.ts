import { describe, expect, it } from 'vitest'
import { cursorOf, idOfCursor, pageOf } from '../../src/access/cursor.ts'

const id = 'grt_01JNB7V6Z0QK3W8E5T9Y2R4V6H'

describe('a cursor', () => {
  it('gives back the id it stands for', () => {
    expect(idOfCursor('grants', cursorOf('grants', id))).toBe(id)
  })

  it.each([
    ['another list', cursorOf('requests', id)],
    ['plain text', 'grt_1'],
    ['an id', id],
    ['nothing', ''],
    ['a quote and a statement', Buffer.from("v1:grants:grt_' or 1=1").toString('base64url')],
    ['too much', 'A'.repeat(5000)],
  ])('from %s is refused', (_, cursor) => {
    expect(() => idOfCursor('grants', cursor)).toThrow(
      expect.objectContaining({ code: 'invalid_cursor' }),
    )
  })
})

describe('a page', () => {
  const rows = ['C', 'B', 'A'].map((letter) => ({ id: `grt_01JNB7V6Z0QK3W8E5T9Y2R4V6${letter}` }))

  it('names the next one when a row is left over', () => {
    const page = pageOf('grants', rows, 2)
    expect(page.items).toEqual(rows.slice(0, 2))
    expect(idOfCursor('grants', page.nextCursor ?? '')).toBe(rows[1]?.id)
  })

  it('is the last when nothing is left over', () => {
    expect(pageOf('grants', rows, 3).nextCursor).toBeNull()
    expect(pageOf('grants', [], 3)).toEqual({ items: [], nextCursor: null })
  })
})
