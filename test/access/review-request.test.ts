import { describe, expect, it } from 'vitest'
import {
  cancelRequest,
  getRequest,
  type ReviewRequestInput,
  reviewRequest,
  submitRequest,
} from '../../src/access/index.ts'
import { operatorAsk, useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()

describe('the approval that fills the last seat', () => {
  it('opens the grant in the same transaction, its clock starting at this moment', async () => {
    const fixture = use()
    const asked = await fixture.ask('alice')
    fixture.test.clock.advance(600)
    const now = fixture.test.clock.now()
    const request = await fixture.approve('bob', asked.id, { comment: ' go\r\nahead ' })
    expect(request).toMatchObject({
      state: 'approved',
      approval: [{ from: ['payments-leads'], count: 1, approvedBy: ['bob@example.com'] }],
      eligibleReviewers: [],
      reviews: [
        {
          reviewer: 'bob@example.com',
          verdict: 'approve',
          comment: 'go\nahead',
          scopes: null,
          durationSeconds: null,
          at: now,
          via: 'api',
        },
      ],
      version: 2,
    })
    expect(request).toEqual(await getRequest(fixture.person('alice'), { requestId: asked.id }))
    expect(await fixture.grantsOf(asked.id)).toMatchObject([
      {
        id: request.grantId,
        state: 'active',
        startsAt: now,
        endsAt: new Date(now.getTime() + 3_600_000),
        policy: 'operate',
        scopes: ['invoices:read', 'invoices:write'],
      },
    ])
    expect(await fixture.eventTypesOf(asked.id)).toEqual([
      'request.submitted',
      'request.reviewed',
      'request.approved',
      'grant.opened',
    ])
    const [entry] = await fixture.lastAudit(1)
    expect(entry).toMatchObject({
      action: 'review-request',
      outcome: 'ok',
      request_id: asked.id,
      grant_id: request.grantId,
      details: { verdict: 'approve', outcome: 'completed' },
    })
    expect(JSON.stringify(await fixture.eventsOf(asked.id))).not.toContain('ahead')
  })

  it('starts the grant at starts_at when that is still ahead, and at once when it has passed', async () => {
    const fixture = use()
    const startsAt = new Date(fixture.test.clock.now().getTime() + 600_000)
    const early = await fixture.ask('alice', { startsAt })
    await fixture.approve('bob', early.id)
    expect(await fixture.grantsOf(early.id)).toMatchObject([{ state: 'scheduled', startsAt }])
    const late = await fixture.ask('dana', { startsAt })
    fixture.test.clock.advance(900)
    await fixture.approve('bob', late.id)
    const now = fixture.test.clock.now()
    expect(await fixture.grantsOf(late.id)).toMatchObject([{ state: 'active', startsAt: now }])
  })

  it('needs a second human where two seats are wanted: one fills one, under all accounts', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    const first = await fixture.approve('bob', id)
    expect(first).toMatchObject({
      state: 'pending',
      version: 1,
      approval: [{ approvedBy: ['bob@example.com'] }, { approvedBy: [] }],
      eligibleReviewers: ['sam@example.com'],
    })
    expect(await fixture.grantsOf(id)).toEqual([])
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'already_reviewed' })
    await expect(fixture.approve('bob.admin', id)).rejects.toMatchObject({
      code: 'already_reviewed',
    })
    await expect(fixture.approve('carol', id)).rejects.toMatchObject({ code: 'seat_filled' })
    expect(await fixture.approve('sam', id)).toMatchObject({
      state: 'approved',
      approval: [{ approvedBy: ['bob@example.com'] }, { approvedBy: ['sam@example.com'] }],
    })
    expect(await fixture.grantsOf(id)).toHaveLength(1)
  })

  it('two seats of one policy line want two humans', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'pair' })
    await fixture.approve('bob', id)
    await expect(fixture.approve('bob.admin', id)).rejects.toMatchObject({
      code: 'already_reviewed',
    })
    expect(await fixture.approve('carol', id)).toMatchObject({ state: 'approved' })
  })
})

describe('a denial', () => {
  it('ends the request, though another had approved', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('sam', id)
    const request = await fixture.deny('carol', id)
    expect(request).toMatchObject({
      state: 'denied',
      version: 2,
      eligibleReviewers: [],
      grantId: null,
    })
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'request_closed' })
    expect(await fixture.grantsOf(id)).toEqual([])
    expect((await fixture.eventTypesOf(id)).slice(-2)).toEqual([
      'request.reviewed',
      'request.denied',
    ])
  })

  it('is open to any eligible reviewer, also one whose seat is taken', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('bob', id)
    expect(await fixture.deny('carol', id)).toMatchObject({ state: 'denied' })
  })

  it('leaves the requester free to ask again', async () => {
    const fixture = use()
    const first = await fixture.ask('alice')
    await fixture.deny('bob', first.id)
    expect((await fixture.ask('alice')).id).not.toBe(first.id)
  })
})

describe('who may not review', () => {
  it.each([
    ['the requester', 'alice', 'self_review'],
    ['another account of the requester, though it has a seat', 'alice.admin', 'self_review'],
    ['the owner of the resource without a seat', 'erin', 'not_reviewer'],
    ['an admin without a seat', 'frank', 'not_reviewer'],
    ['a stranger, who does not learn that it exists', 'dana', 'not_found'],
    ['a reviewer of other policies alone', 'sam', 'not_found'],
  ])('%s', async (_, name, code) => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    for (const verdict of ['approve', 'deny'] as const) {
      const review = reviewRequest(fixture.person(name), { requestId: id, verdict })
      await expect(review).rejects.toMatchObject({ code })
      const [entry] = await fixture.lastAudit(1)
      expect(entry).toMatchObject({
        action: 'review-request',
        outcome: 'refused',
        code,
        request_id: id,
      })
    }
    expect(await fixture.reviewsOf(id)).toEqual([])
    expect(await fixture.stored(id)).toMatchObject({ state: 'pending', version: 1 })
  })

  it('the requester who leads payments, and whose other account is security', async () => {
    const fixture = use()
    const { id } = await fixture.ask('bob', { role: 'payer' })
    for (const name of ['bob', 'bob.admin']) {
      await expect(fixture.approve(name, id)).rejects.toMatchObject({ code: 'self_review' })
    }
  })

  it('for a workload: the workload, and anyone who owns it', async () => {
    const fixture = use()
    const bot = fixture.test.asWorkload('invoice-bot')
    const { request } = await submitRequest(bot, operatorAsk)
    const own = reviewRequest(bot, { requestId: request.id, verdict: 'approve' })
    await expect(own).rejects.toMatchObject({ code: 'self_review' })
    for (const verdict of ['approve', 'deny'] as const) {
      const review = reviewRequest(fixture.person('carol'), { requestId: request.id, verdict })
      await expect(review).rejects.toMatchObject({ code: 'self_review' })
    }
    expect(await fixture.approve('bob', request.id)).toMatchObject({ state: 'approved' })
  })

  it('another workload, whatever seats say', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    const other = fixture.test.asWorkload('invoice-bot')
    const review = reviewRequest(other, { requestId: id, verdict: 'approve' })
    await expect(review).rejects.toMatchObject({ code: 'not_found' })
  })

  it('a disabled person, by whatever door', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    await fixture.setDisabled('bob', true)
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'not_permitted' })
  })

  it('whoever holds the claim no longer, or from a sign-in over a day old', async () => {
    const fixture = use()
    await fixture.signedIn('sam', ['okta-auditors'], 23)
    const { id } = await fixture.ask('alice', { role: 'audited' })
    fixture.test.clock.advance(3601)
    await expect(fixture.approve('sam', id)).rejects.toMatchObject({ code: 'not_found' })
    await fixture.signedIn('sam', ['okta-auditors'])
    expect(await fixture.approve('sam', id)).toMatchObject({ state: 'approved' })
  })

  it('anyone, on a request that there is not', async () => {
    await expect(use().approve('bob', 'req_01J00000000000000000000000')).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('when a review comes too late', () => {
  it('after answer_by it is refused though no job ran', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    fixture.test.clock.advance(7200)
    await expect(fixture.approve('bob', id)).rejects.toMatchObject({ code: 'request_closed' })
    await expect(fixture.deny('bob', id)).rejects.toMatchObject({ code: 'request_closed' })
    expect(await fixture.grantsOf(id)).toEqual([])
    expect(await getRequest(fixture.person('alice'), { requestId: id })).toMatchObject({
      state: 'expired',
      eligibleReviewers: [],
    })
  })

  it('one second before, it counts', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    fixture.test.clock.advance(7199)
    expect(await fixture.approve('bob', id)).toMatchObject({ state: 'approved' })
  })

  it('after the request was cancelled, or approved by another', async () => {
    const fixture = use()
    const cancelled = await fixture.ask('alice')
    await cancelRequest(fixture.person('alice'), { requestId: cancelled.id })
    await expect(fixture.approve('bob', cancelled.id)).rejects.toMatchObject({
      code: 'request_closed',
    })
    const approved = await fixture.ask('alice')
    await fixture.approve('bob', approved.id)
    await expect(fixture.deny('carol', approved.id)).rejects.toMatchObject({
      code: 'request_closed',
    })
    await expect(fixture.deny('bob', approved.id)).rejects.toMatchObject({
      code: 'already_reviewed',
    })
  })
})

describe('narrowing', () => {
  it('gives the grant the intersection of the scopes and the shortest time', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    const first = await fixture.approve('bob', id, { durationSeconds: 1200 })
    expect(first).toMatchObject({
      durationSeconds: 1200,
      requestedDurationSeconds: 3600,
      version: 2,
      reviews: [{ durationSeconds: 1200, scopes: null }],
    })
    const second = await fixture.approve('sam', id, {
      scopes: ['payouts:write'],
      durationSeconds: 3600,
      version: 2,
    })
    expect(second).toMatchObject({
      state: 'approved',
      scopes: ['payouts:write'],
      requestedScopes: ['invoices:read', 'payouts:write'],
      durationSeconds: 1200,
      version: 3,
    })
    const [grant] = await fixture.grantsOf(id)
    expect(grant?.scopes).toEqual(['payouts:write'])
    expect((grant?.endsAt.getTime() ?? 0) - (grant?.startsAt.getTime() ?? 0)).toBe(1_200_000)
  })

  it.each([
    ['a scope that was not asked for', { scopes: ['invoices:read', 'payouts:write'] }],
    ['more time', { durationSeconds: 3601 }],
    ['no scope', { scopes: [] }],
  ] as [string, Partial<ReviewRequestInput>][])(
    'refuses %s and counts nothing',
    async (_, changes) => {
      const fixture = use()
      const { id } = await fixture.ask('alice')
      await expect(fixture.approve('bob', id, changes)).rejects.toMatchObject({
        code: 'wider_than_asked',
      })
      expect(await fixture.reviewsOf(id)).toEqual([])
      expect(await fixture.approve('bob', id)).toMatchObject({ state: 'approved' })
    },
  )

  it('refuses what an earlier reviewer took away entirely', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('bob', id, { scopes: ['invoices:read'] })
    await expect(fixture.approve('sam', id, { scopes: ['payouts:write'] })).rejects.toMatchObject({
      code: 'wider_than_asked',
    })
  })

  it('makes the version that another reviewer looked at stale', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('bob', id, { durationSeconds: 60 })
    await expect(fixture.approve('sam', id, { version: 1 })).rejects.toMatchObject({
      code: 'stale_version',
    })
    expect(await fixture.approve('sam', id, { version: 2 })).toMatchObject({ state: 'approved' })
  })

  it('leaves the version alone when an approval is merely added', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'payer' })
    await fixture.approve('bob', id, { scopes: ['payouts:write', 'invoices:read'] })
    expect(await fixture.approve('sam', id, { version: 1 })).toMatchObject({ state: 'approved' })
  })
})

describe('approve_in: browser', () => {
  it('refuses an approval by any other door, not a denial', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice', { role: 'vaulted' })
    for (const via of ['api', 'cli', 'slack'] as const) {
      const review = reviewRequest(fixture.person('bob', via), {
        requestId: id,
        verdict: 'approve',
      })
      await expect(review).rejects.toMatchObject({ code: 'browser_required' })
    }
    const inBrowser = fixture.person('bob', 'browser')
    expect(await reviewRequest(inBrowser, { requestId: id, verdict: 'approve' })).toMatchObject({
      state: 'approved',
      reviews: [{ via: 'browser' }],
    })
    const other = await fixture.ask('dana', { role: 'vaulted' })
    expect(await fixture.deny('bob', other.id)).toMatchObject({ state: 'denied' })
  })
})

describe('a review that is not well-formed', () => {
  it.each([
    ['a denial with scopes', { verdict: 'deny', scopes: ['invoices:read'] }, '/verdict'],
    ['a denial with time', { verdict: 'deny', durationSeconds: 60 }, '/verdict'],
    ['no time', { verdict: 'approve', durationSeconds: 0 }, '/duration_seconds'],
    ['half a second', { verdict: 'approve', durationSeconds: 0.5 }, '/duration_seconds'],
    ['version zero', { verdict: 'approve', version: 0 }, '/version'],
    ['a long comment', { verdict: 'approve', comment: 'x'.repeat(501) }, '/comment'],
    ['a comment with an escape', { verdict: 'deny', comment: '\u001b[2J' }, '/comment'],
    ['a scope with a zero byte', { verdict: 'approve', scopes: ['a\u0000'] }, '/scopes/0'],
  ] as [string, Omit<ReviewRequestInput, 'requestId'>, string][])(
    '%s',
    async (_, input, pointer) => {
      const fixture = use()
      const { id } = await fixture.ask('alice')
      const review = reviewRequest(fixture.person('bob'), { requestId: id, ...input })
      await expect(review).rejects.toMatchObject({
        code: 'invalid_input',
        options: { errors: [{ pointer }] },
      })
      expect(await fixture.stored(id)).toMatchObject({ state: 'pending' })
    },
  )

  it('by a replica whose clock is off, decides nothing', async () => {
    const fixture = use()
    const { id } = await fixture.ask('alice')
    const ctx = {
      ...fixture.person('bob'),
      clockMonitor: { isTrusted: () => false, skewSeconds: () => 3 },
    }
    await expect(reviewRequest(ctx, { requestId: id, verdict: 'approve' })).rejects.toMatchObject({
      code: 'cannot_decide',
    })
  })
})
