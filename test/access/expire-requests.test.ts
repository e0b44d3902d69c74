import { describe, expect, it } from 'vitest'
import { expireRequests, extendGrant } from '../../src/access/index.ts'
import { useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()

describe('the sweep over unanswered requests', () => {
  it('stores the end of those that are overdue, at the time it was over, and tells it', async () => {
    const fixture = use()
    const job = fixture.test.asJob('expire-requests')
    const overdue = await fixture.ask('alice')
    fixture.test.clock.advance(60)
    const waiting = await fixture.ask('dana')
    fixture.test.clock.advance(7140)
    expect(await expireRequests(job)).toEqual({ expiredCount: 1 })
    expect(await fixture.stored(overdue.id)).toMatchObject({
      state: 'expired',
      decidedAt: overdue.answerBy,
      version: 2,
    })
    expect(await fixture.stored(waiting.id)).toMatchObject({ state: 'pending', version: 1 })
    expect(await fixture.eventTypesOf(overdue.id)).toEqual(['request.submitted', 'request.expired'])
    expect(await fixture.lastAudit(1)).toMatchObject([
      { action: 'expire-requests', outcome: 'ok', request_id: overdue.id },
    ])
    expect(await expireRequests(job)).toEqual({ expiredCount: 0 })
  })

  it('on many replicas at once ends each once', async () => {
    const fixture = use()
    const ids: string[] = []
    for (const role of ['operator', 'payer', 'pair', 'vaulted']) {
      for (const name of ['alice', 'dana', 'bob']) ids.push((await fixture.ask(name, { role })).id)
    }
    fixture.test.clock.advance(86_400)
    const sweeps = await Promise.all(
      [1, 2, 3, 4].map((replica) => expireRequests(fixture.test.asJob(`expire-${replica}`))),
    )
    expect(sweeps.reduce((sum, { expiredCount }) => sum + expiredCount, 0)).toBe(12)
    for (const id of ids) {
      expect(await fixture.eventTypesOf(id)).toEqual(['request.submitted', 'request.expired'])
    }
  })

  it('tells the end of an extension in the order of its grant', async () => {
    const fixture = use()
    const { id, grantId } = await fixture.ask('alice').then(({ id }) => fixture.approve('bob', id))
    const { request } = await extendGrant(fixture.person('alice'), {
      grantId: grantId ?? '',
      durationSeconds: 60,
      justification: 'a little longer',
      ticket: 'INC-1',
    })
    fixture.test.clock.advance(7200)
    await expireRequests(fixture.test.asJob('expire-requests'))
    expect(await fixture.stored(request.id)).toMatchObject({ state: 'expired' })
    expect((await fixture.eventTypesOf(id)).at(-1)).toBe('request.expired')
  })

  it('is for jobs and operators, by a clock that may be trusted', async () => {
    const fixture = use()
    await expect(expireRequests(fixture.person('frank'))).rejects.toMatchObject({
      code: 'not_permitted',
    })
    const ahead = {
      ...fixture.test.asJob('expire-requests'),
      clockMonitor: { isTrusted: () => false, skewSeconds: () => 7200 },
    }
    await expect(expireRequests(ahead)).rejects.toMatchObject({ code: 'cannot_decide' })
  })
})
