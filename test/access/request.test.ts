import { describe, expect, it } from 'vitest'
import {
  effectiveState,
  isOpenForReview,
  moveRequest,
  openRequest,
  type RequestEvent,
  type RequestState,
} from '../../src/access/request.ts'

const now = new Date('2026-03-02T09:00:00Z')
const seconds = (count: number) => new Date(now.getTime() + count * 1000)

const states: RequestState[] = ['pending', 'approved', 'denied', 'cancelled', 'expired']
const events: RequestEvent[] = ['complete', 'deny', 'cancel', 'lapse']

describe('the request machine, every state and event', () => {
  const whileAnswerable: Partial<
    Record<RequestState, Partial<Record<RequestEvent, RequestState>>>
  > = { pending: { complete: 'approved', deny: 'denied', cancel: 'cancelled' } }
  const afterAnswerBy: typeof whileAnswerable = { pending: { lapse: 'expired' } }

  it.each(states.flatMap((state) => events.map((event) => [state, event] as const)))(
    '%s × %s while it can be answered',
    (state, event) => {
      const request = { state, answerBy: seconds(1) }
      expect(moveRequest(request, event, now)).toBe(whileAnswerable[state]?.[event])
    },
  )

  it.each(states.flatMap((state) => events.map((event) => [state, event] as const)))(
    '%s × %s once the time to answer is over, though no job ran',
    (state, event) => {
      const request = { state, answerBy: now }
      expect(moveRequest(request, event, now)).toBe(afterAnswerBy[state]?.[event])
    },
  )

  it('is over at the very millisecond of answer_by, not one before', () => {
    expect(effectiveState({ state: 'pending', answerBy: now }, now)).toBe('expired')
    const before = new Date(now.getTime() - 1)
    expect(effectiveState({ state: 'pending', answerBy: now }, before)).toBe('pending')
  })

  it.each(states.filter((state) => state !== 'pending'))('%s stays what it is', (state) => {
    expect(effectiveState({ state, answerBy: seconds(-9999) }, now)).toBe(state)
  })
})

describe('who is still asked', () => {
  it.each([
    ['pending', null, 60, true],
    ['pending', null, 0, false],
    ['approved', null, 60, false],
    ['approved', 'open', -60, true],
    ['approved', 'accepted', 60, false],
    ['approved', 'rejected', 60, false],
    ['denied', null, 60, false],
    ['cancelled', null, 60, false],
    ['expired', null, 60, false],
  ] as const)(
    '%s, after_review %s, answer_by in %i s: %s',
    (state, afterReview, left, expected) => {
      const request = { state, afterReview, answerBy: seconds(left) }
      expect(isOpenForReview(request, now)).toBe(expected)
    },
  )
})

describe('how a request begins', () => {
  const policy = { answerWithinSeconds: 7200, approval: [{}], breakGlass: undefined }

  it('waits for its reviewers until answer_within has passed', () => {
    expect(openRequest('review', policy, now)).toEqual({
      state: 'pending',
      afterReview: null,
      reviewBy: null,
      answerBy: seconds(7200),
      decidedAt: null,
    })
  })

  it('is approved at once when policy allows', () => {
    expect(openRequest('allow', policy, now)).toMatchObject({ state: 'approved', decidedAt: now })
  })

  it('is approved at once in an emergency and reviewed afterwards', () => {
    const emergency = { ...policy, breakGlass: { reviewWithinSeconds: 86_400 } }
    expect(openRequest('allow', emergency, now)).toMatchObject({
      state: 'approved',
      afterReview: 'open',
      reviewBy: seconds(86_400),
    })
  })

  it('counts as accepted when the emergency policy wants nobody afterwards', () => {
    const emergency = { ...policy, approval: [], breakGlass: { reviewWithinSeconds: 60 } }
    expect(openRequest('allow', emergency, now).afterReview).toBe('accepted')
  })
})
