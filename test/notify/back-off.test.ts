import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HallpassError } from '../../src/errors.ts'
import { afterFailure, maxAttemptCount } from '../../src/notify/back-off.ts'
import { DeliveryFailure } from '../../src/notify/index.ts'

const down = new DeliveryFailure('the receiver answered 503')

function delayAfter(attemptCount: number, error: unknown = down): number {
  const outcome = afterFailure(attemptCount, error)
  if (outcome.state !== 'waiting') throw new Error('gave up')
  return outcome.delaySeconds
}

describe('the delay before the next attempt', () => {
  it('doubles from a second up to ten minutes', () => {
    expect([1, 2, 3, 4, 10, 11, 100].map((count) => delayAfter(count))).toEqual([
      1, 2, 4, 8, 512, 600, 600,
    ])
  })

  it('is longer when the receiver asks for it, but never beyond ten minutes', () => {
    const asking = (retryAfterSeconds: number) => new DeliveryFailure('429', { retryAfterSeconds })
    expect(delayAfter(1, asking(30))).toBe(30)
    expect(delayAfter(10, asking(30))).toBe(512)
    expect(delayAfter(1, asking(86_400))).toBe(600)
  })
})

describe('giving up', () => {
  it('comes after about a day of attempts, not earlier', () => {
    let seconds = 0
    let attemptCount = 1
    while (afterFailure(attemptCount, down).state === 'waiting') {
      seconds += delayAfter(attemptCount)
      attemptCount++
    }
    expect(attemptCount).toBe(maxAttemptCount)
    expect(seconds / 3_600).toBeGreaterThan(22)
    expect(seconds / 3_600).toBeLessThan(24)
  })

  it('comes at once when the notifier says that nothing helps', () => {
    const final = new DeliveryFailure('channel_not_found', { isFinal: true })
    expect(afterFailure(1, final)).toEqual({ state: 'undeliverable', reason: 'channel_not_found' })
  })
})

describe('what is kept of an error', () => {
  it.each([
    [down, 'the receiver answered 503'],
    [new TypeError('Failed to parse URL from https://u:s3cr3t@example.com'), 'TypeError'],
    [Object.assign(new Error('s3cr3t'), { code: 'ECONNRESET' }), 'Error ECONNRESET'],
    [new HallpassError('cannot_decide', 'Try again.'), 'cannot_decide: Try again.'],
    ['s3cr3t', 'string'],
    [undefined, 'undefined'],
  ])('is only what is known to hold no secret', (error, reason) => {
    expect(afterFailure(1, error).reason).toBe(reason)
  })

  it('is short and of one line, whatever the receiver made us say', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (message) => {
        const { reason } = afterFailure(1, new DeliveryFailure(message))
        expect(reason.length).toBeLessThanOrEqual(300)
        expect(reason).not.toMatch(/\p{Cc}/u)
      }),
    )
  })
})
