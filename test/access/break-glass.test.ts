import { describe, expect, it } from 'vitest'
import {
  cancelRequest,
  extendGrant,
  getGrant,
  listRequests,
  revokeGrant,
  submitRequest,
} from '../../src/access/index.ts'
import { operatorAsk, useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()
const emergency = { durationSeconds: 900, isBreakGlass: true }

describe('an emergency', () => {
  it('is approved at once, loud, and waits for its review', async () => {
    const fixture = use()
    const request = await fixture.ask('alice', emergency)
    expect(request).toMatchObject({
      state: 'approved',
      isBreakGlass: true,
      afterReview: 'open',
      policy: 'emergency',
      approval: [{ from: ['security'], count: 1, approvedBy: [] }],
      eligibleReviewers: ['bob.admin@example.com', 'sam@example.com'],
    })
    expect(await fixture.grantsOf(request.id)).toMatchObject([
      { state: 'active', isBreakGlass: true },
    ])
    const [submitted] = await fixture.eventsOf(request.id)
    const reviewBy = new Date(fixture.test.clock.now().getTime() + 86_400_000).toISOString()
    expect(submitted).toMatchObject({
      type: 'request.submitted',
      data: {
        is_break_glass: true,
        review_by: reviewBy,
        security_channel: 'C0SECURITY',
        eligible_reviewers: request.eligibleReviewers,
      },
    })
  })

  it('is not in the way of, nor hindered by, a request that waits', async () => {
    const fixture = use()
    const pending = await fixture.ask('alice')
    expect(await fixture.ask('alice', emergency)).toMatchObject({ state: 'approved' })
    expect(await fixture.stored(pending.id)).toMatchObject({ state: 'pending' })
    expect(await fixture.approve('bob', pending.id)).toMatchObject({ state: 'approved' })
  })

  it('with one unreviewed, another is refused, also under another account', async () => {
    const fixture = use()
    const first = await fixture.ask('alice', emergency)
    for (const name of ['alice', 'alice.admin']) {
      const again = submitRequest(fixture.person(name), { ...operatorAsk, ...emergency })
      await expect(again).rejects.toMatchObject({
        code: name === 'alice' ? 'break_glass_unreviewed' : 'not_eligible',
      })
    }
    expect(await fixture.ask('dana', emergency)).toMatchObject({ afterReview: 'open' })
    await fixture.approve('sam', first.id)
    expect(await fixture.ask('alice', emergency)).toMatchObject({ afterReview: 'open' })
  })

  it('at the same moment twice opens one', async () => {
    const fixture = use()
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.allSettled([1, 2, 3].map(() => fixture.ask('alice', emergency)))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const result of results) {
        if (result.status === 'rejected') {
          expect(result.reason).toMatchObject({ code: 'break_glass_unreviewed' })
        }
      }
      await fixture.settle()
    }
  })

  it('at the same moment under two accounts of one human opens one', async () => {
    const fixture = use()
    await fixture.changeCompany([
      'engineering: [alice@example.com,',
      'engineering: [alice.admin@example.com, alice@example.com,',
    ])
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.allSettled(
        ['alice', 'alice.admin'].map((name) => fixture.ask(name, emergency)),
      )
      const opened = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      expect(opened).toHaveLength(1)
      for (const { id } of opened) await fixture.approve('sam', id)
    }
  })

  it.each([
    ['with a start', { ...emergency, startsAt: new Date('2026-03-03T00:00:00Z') }, 'invalid_input'],
    ['too long', { ...emergency, durationSeconds: 1801 }, 'outside_policy'],
    ['for a role without such a policy', { ...emergency, role: 'reader' }, 'not_eligible'],
  ])('%s is refused', async (_, changes, code) => {
    await expect(use().ask('alice', changes)).rejects.toMatchObject({ code })
  })

  it('without anyone to review it is refused: it would never close', async () => {
    const fixture = use()
    await fixture.setDisabled('sam', true)
    await fixture.setDisabled('bob.admin', true)
    await expect(fixture.ask('alice', emergency)).rejects.toMatchObject({ code: 'no_reviewer' })
  })

  it('cannot be cancelled, nor its grant extended', async () => {
    const fixture = use()
    const { id, grantId } = await fixture.ask('alice', emergency)
    await expect(cancelRequest(fixture.person('alice'), { requestId: id })).rejects.toMatchObject({
      code: 'request_closed',
    })
    const extension = {
      grantId: grantId ?? '',
      durationSeconds: 60,
      justification: 'still burning',
    }
    await expect(extendGrant(fixture.person('alice'), extension)).rejects.toMatchObject({
      code: 'outside_policy',
      options: { reasons: [{ code: 'break_glass_not_extended' }] },
    })
  })
})

describe('the review of an emergency', () => {
  it('accepts it, under the rules of any review, long after answer_by and review_by', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', emergency)
    fixture.test.clock.advance(3 * 86_400)
    for (const [name, code] of [
      ['alice', 'self_review'],
      ['alice.admin', 'self_review'],
      ['erin', 'not_reviewer'],
      ['carol', 'not_found'],
    ] as const) {
      await expect(fixture.approve(name, id)).rejects.toMatchObject({ code })
    }
    const accepted = await fixture.approve('sam', id)
    expect(accepted).toMatchObject({
      state: 'approved',
      afterReview: 'accepted',
      approval: [{ approvedBy: ['sam@example.com'] }],
      eligibleReviewers: [],
      version: 2,
    })
    await expect(fixture.deny('bob.admin', id)).rejects.toMatchObject({ code: 'request_closed' })
    expect((await fixture.eventTypesOf(id)).slice(-2)).toEqual([
      'request.reviewed',
      'break_glass.reviewed',
    ])
  })

  it('rejects it and revokes what lives', async () => {
    const fixture = use()
    const { id, grantId } = await fixture.ask('alice', emergency)
    const rejected = await fixture.deny('sam', id)
    expect(rejected).toMatchObject({ state: 'approved', afterReview: 'rejected' })
    const grant = await getGrant(fixture.person('alice'), { grantId: grantId ?? '' })
    expect(grant).toMatchObject({ state: 'revoked', endedBy: 'sam@example.com' })
    expect(await fixture.eventTypesOf(id)).toEqual([
      'request.submitted',
      'request.approved',
      'grant.opened',
      'request.reviewed',
      'break_glass.reviewed',
      'grant.revoked',
    ])
    const entries = await fixture.lastAudit(2)
    expect(entries.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['review-request', 'ok'],
      ['review-request', 'ok'],
    ])
  })

  it('rejects it when the grant is over already, by time or by hand', async () => {
    const fixture = use()
    const expired = await fixture.ask('alice', emergency)
    const revoked = await fixture.ask('dana', emergency)
    await revokeGrant(fixture.person('frank'), { grantId: revoked.grantId ?? '', reason: 'enough' })
    fixture.test.clock.advance(900)
    for (const { id } of [expired, revoked]) {
      expect(await fixture.deny('sam', id)).toMatchObject({ afterReview: 'rejected' })
    }
  })

  it('accepts or rejects the whole: narrowing is refused', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', emergency)
    await expect(fixture.approve('sam', id, { durationSeconds: 60 })).rejects.toMatchObject({
      code: 'invalid_input',
    })
  })

  it('is on the list of whoever can give it, until it is given', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', emergency)
    const mine = async (name: string) => {
      const page = await listRequests(fixture.person(name), { isToReview: true, limit: 50 })
      return page.items.map((item) => item.id)
    }
    expect(await mine('sam')).toEqual([id])
    expect(await mine('alice')).toEqual([])
    await fixture.approve('sam', id)
    expect(await mine('sam')).toEqual([])
  })
})
