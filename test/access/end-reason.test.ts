import { describe, expect, it } from 'vitest'
import { checkedReason } from '../../src/access/end-reason.ts'

function faultOf(reason: string): unknown {
  try {
    return checkedReason(reason)
  } catch (error) {
    return error
  }
}

describe('a reason', () => {
  it('is kept without the space around it', () => {
    expect(checkedReason('  left the team ')).toBe('left the team')
  })

  it('may have lines, ended in one way', () => {
    expect(checkedReason('left the team\r\nsince Monday')).toBe('left the team\nsince Monday')
  })

  it('may have 500 characters, counted as people count them', () => {
    expect(checkedReason('é'.repeat(500))).toHaveLength(500)
    expect(checkedReason('😀'.repeat(500))).toBe('😀'.repeat(500))
  })

  it.each([
    ['nothing', ''],
    ['space alone', ' \t '],
    ['501 characters', 'x'.repeat(501)],
    ['a NUL, which Postgres refuses', 'left\u0000'],
    ['an escape sequence', 'left\u001b[31m'],
    ['a mark that reorders what is read', 'left \u202eteam'],
    ['half a surrogate pair', 'left \ud800'],
  ])('refuses %s and points at it', (_, reason) => {
    expect(faultOf(reason)).toMatchObject({
      code: 'invalid_input',
      options: { errors: [{ pointer: '/reason' }] },
    })
  })
})
