import { expect, it } from 'vitest'
import { systemIds } from '../src/context.ts'
import { settableClock } from './support/context.ts'

it('ids sort in the order of their making, within a moment and after the clock was set back', () => {
  const clock = settableClock(new Date('2026-03-02T09:00:00.000Z'))
  const ids = systemIds(clock)
  const made = Array.from({ length: 500 }, (_, index) => {
    if (index === 200) clock.advance(1)
    if (index === 300) clock.advance(-3600)
    return ids.next('rev')
  })
  expect(made.toSorted()).toEqual(made)
  expect(new Set(made).size).toBe(made.length)
  expect(made[0]).toMatch(/^rev_[0-9A-HJKMNP-TV-Z]{26}$/)
})

it('ids made by two processes at one moment differ', () => {
  const clock = settableClock(new Date('2026-03-02T09:00:00.000Z'))
  const [one, other] = [systemIds(clock), systemIds(clock)]
  const made = Array.from({ length: 200 }, () => [one.next('req'), other.next('req')]).flat()
  expect(new Set(made).size).toBe(made.length)
})

it('a secret has 256 bits and is never the same', () => {
  const ids = systemIds(settableClock(new Date('2026-03-02T09:00:00.000Z')))
  const secrets = Array.from({ length: 100 }, () => ids.secret())
  expect(new Set(secrets).size).toBe(secrets.length)
  for (const secret of secrets) expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
})
