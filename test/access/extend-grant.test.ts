import { describe, expect, it } from 'vitest'
import {
  extendGrant,
  getGrant,
  getRequest,
  listRequests,
  releaseGrant,
  revokeGrant,
  suspendGrant,
} from '../../src/access/index.ts'
import { type RequestFixture, useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()
const why = { justification: 'the restore takes longer', ticket: 'INC-42' }

/** A grant of Alice over `operator`, for an hour. */
async function held(fixture: RequestFixture, name = 'alice') {
  const { id, grantId } = await fixture.ask(name)
  const approved = await fixture.approve('carol', id)
  if (approved.grantId === null || grantId !== null) throw new Error('no grant was opened')
  return { requestId: id, grantId: approved.grantId }
}

function endOf(fixture: RequestFixture, grantId: string): Promise<Date> {
  return getGrant(fixture.person('frank'), { grantId }).then(({ endsAt }) => endsAt)
}

describe('asking for more time', () => {
  it('waits for reviewers, who see the time that would be added', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const before = await endOf(fixture, grantId)
    const { request, isNew } = await extendGrant(fixture.person('alice'), {
      grantId,
      durationSeconds: 1800,
      ...why,
    })
    expect(isNew).toBe(true)
    expect(request).toMatchObject({
      state: 'pending',
      extendsGrantId: grantId,
      grantId: null,
      durationSeconds: 1800,
      scopes: ['invoices:read', 'invoices:write'],
      startsAt: null,
      eligibleReviewers: ['bob@example.com', 'carol@example.com'],
    })
    expect(await endOf(fixture, grantId)).toEqual(before)
  })

  it('adds it to the end, not to now, once approved; the events follow those of the grant', async () => {
    const fixture = use()
    const { requestId, grantId } = await held(fixture)
    const before = await endOf(fixture, grantId)
    const { request } = await extendGrant(fixture.person('alice'), {
      grantId,
      durationSeconds: 1800,
      ...why,
    })
    fixture.test.clock.advance(1200)
    expect(await fixture.approve('bob', request.id)).toMatchObject({ state: 'approved', grantId })
    expect(await endOf(fixture, grantId)).toEqual(new Date(before.getTime() + 1_800_000))
    expect(await fixture.grantsOf(request.id)).toEqual([])
    expect((await fixture.eventTypesOf(requestId)).slice(-4)).toEqual([
      'request.submitted',
      'request.reviewed',
      'request.approved',
      'grant.extended',
    ])
    expect(await fixture.eventTypesOf(request.id)).toEqual([])
  })

  it('is decided on the whole time, from the start to the new end', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const most = { grantId, durationSeconds: 3 * 3600, ...why }
    const tooMuch = extendGrant(fixture.person('alice'), { ...most, durationSeconds: 3 * 3600 + 1 })
    await expect(tooMuch).rejects.toMatchObject({
      code: 'outside_policy',
      options: { reasons: [{ code: 'duration_too_long' }] },
    })
    const { request } = await extendGrant(fixture.person('alice'), most)
    await fixture.approve('bob', request.id)
    await expect(
      extendGrant(fixture.person('alice'), { grantId, durationSeconds: 1, ...why }),
    ).rejects.toMatchObject({ code: 'outside_policy' })
  })

  it('is never automatic beyond the bound of the whole, however short each is', async () => {
    const fixture = use()
    const { grantId } = await fixture.ask('dana', { durationSeconds: 1200 })
    const extend = (durationSeconds: number) =>
      extendGrant(fixture.person('dana'), { grantId: grantId ?? '', durationSeconds, ...why })
    const first = await extend(600)
    expect(first.request).toMatchObject({ state: 'approved', grantId })
    const second = await extend(1)
    expect(second.request).toMatchObject({ state: 'pending' })
    const grant = await getGrant(fixture.person('dana'), { grantId: grantId ?? '' })
    expect(grant.endsAt.getTime() - grant.startsAt.getTime()).toBe(1_800_000)
  })

  it('is narrowed by its reviewer in time, not in scopes', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const before = await endOf(fixture, grantId)
    const { request } = await extendGrant(fixture.person('alice'), {
      grantId,
      durationSeconds: 1800,
      ...why,
    })
    const fewer = fixture.approve('bob', request.id, { scopes: ['invoices:read'] })
    await expect(fewer).rejects.toMatchObject({ code: 'invalid_input' })
    const wider = fixture.approve('bob', request.id, { durationSeconds: 1801 })
    await expect(wider).rejects.toMatchObject({ code: 'wider_than_asked' })
    await fixture.approve('bob', request.id, { durationSeconds: 60 })
    expect(await endOf(fixture, grantId)).toEqual(new Date(before.getTime() + 60_000))
  })

  it('goes one at a time: the same again is the first, another is refused', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const extend = (durationSeconds: number) =>
      extendGrant(fixture.person('alice'), { grantId, durationSeconds, ...why })
    const first = await extend(600)
    expect(await extend(600)).toMatchObject({ isNew: false, request: { id: first.request.id } })
    await expect(extend(601)).rejects.toMatchObject({
      code: 'already_pending',
      options: { extensions: { requestId: first.request.id } },
    })
    fixture.test.clock.advance(0)
    expect(await fixture.ask('alice')).toMatchObject({ state: 'pending', extendsGrantId: null })
  })

  it('at the same moment many times makes one request, and adds its time once', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const before = await endOf(fixture, grantId)
    const asks = await Promise.all(
      [1, 2, 3, 4].map(() =>
        extendGrant(fixture.person('alice'), { grantId, durationSeconds: 600, ...why }),
      ),
    )
    const ids = new Set(asks.map(({ request }) => request.id))
    expect(ids.size).toBe(1)
    const id = [...ids][0] ?? ''
    const reviews = await Promise.allSettled(
      ['bob', 'carol'].map((name) => fixture.approve(name, id)),
    )
    expect(reviews.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await endOf(fixture, grantId)).toEqual(new Date(before.getTime() + 600_000))
  })
})

describe('more time is refused', () => {
  it('to those who do not hold the grant', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const extend = (name: string) =>
      extendGrant(fixture.person(name), { grantId, durationSeconds: 60, ...why })
    await expect(extend('carol')).rejects.toMatchObject({ code: 'not_holder' })
    await expect(extend('dana')).rejects.toMatchObject({ code: 'not_found' })
  })

  it.each([
    ['revoked', 'grant_ended', revokeGrant],
    ['suspended and over by now', 'grant_ended', suspendGrant],
  ])('for a grant that is %s', async (what, code, end) => {
    const fixture = use()
    const { grantId } = await held(fixture)
    await end(fixture.person('frank'), { grantId, reason: 'enough' })
    if (what.includes('over')) fixture.test.clock.advance(3600)
    const extension = extendGrant(fixture.person('alice'), { grantId, durationSeconds: 60, ...why })
    await expect(extension).rejects.toMatchObject({ code })
  })

  it('once the grant ended, by its time alone, at ask and at the completing review', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const { request } = await extendGrant(fixture.person('alice'), {
      grantId,
      durationSeconds: 600,
      ...why,
    })
    fixture.test.clock.advance(3600)
    await expect(fixture.approve('bob', request.id)).rejects.toMatchObject({ code: 'grant_ended' })
    expect(await fixture.stored(request.id)).toMatchObject({ state: 'pending' })
    expect(await getGrant(fixture.person('alice'), { grantId })).toMatchObject({ state: 'expired' })
    await expect(
      extendGrant(fixture.person('alice'), { grantId, durationSeconds: 601, ...why }),
    ).rejects.toMatchObject({ code: 'grant_ended' })
    const waiting = await getRequest(fixture.person('alice'), { requestId: request.id })
    expect(waiting).toMatchObject({ state: 'pending', eligibleReviewers: [] })
    const toReview = await listRequests(fixture.person('bob'), { isToReview: true, limit: 50 })
    expect(toReview.items).toEqual([])
    expect(await fixture.deny('bob', request.id)).toMatchObject({ state: 'denied' })
  })

  it('for a grant that its holder gave back', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const { request } = await extendGrant(fixture.person('alice'), {
      grantId,
      durationSeconds: 600,
      ...why,
    })
    await releaseGrant(fixture.person('alice'), { grantId })
    await expect(fixture.approve('bob', request.id)).rejects.toMatchObject({ code: 'grant_ended' })
  })

  it.each([
    ['no time', { durationSeconds: 0 }, '/duration_seconds'],
    ['a bell', { justification: '\u0007' }, '/justification'],
    ['a ticket of two lines', { ticket: 'INC-1\n' }, '/ticket'],
  ])('with %s', async (_, changes, pointer) => {
    const extension = extendGrant(use().person('alice'), {
      grantId: 'grt_1',
      durationSeconds: 60,
      ...why,
      ...changes,
    })
    await expect(extension).rejects.toMatchObject({
      code: 'invalid_input',
      options: { errors: [{ pointer }] },
    })
  })

  it('to a holder whom policy no longer reaches, though the extension was asked before', async () => {
    const fixture = use()
    const { grantId } = await held(fixture)
    const { request } = await extendGrant(fixture.person('alice'), {
      grantId,
      durationSeconds: 600,
      ...why,
    })
    await fixture.changeCompany([
      'engineering: [alice@example.com, dana@example.com, bob@example.com]',
      'engineering: [dana@example.com]',
    ])
    await expect(fixture.approve('bob', request.id)).rejects.toMatchObject({ code: 'not_eligible' })
  })
})
