import { describe, expect, it } from 'vitest'
import { releaseGrant, resumeGrant, revokeGrant, suspendGrant } from '../../src/access/index.ts'
import { useGrantFixture } from './grant-fixture.ts'

const use = useGrantFixture()
const reason = 'left the team'

describe('revoking a grant', () => {
  it('ends it now, says who and why, and takes its tokens back until the last has expired', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    await fixture.mint(grant, 60)
    const { expiresAt } = await fixture.mint(grant, 300)
    await fixture.takeNotified()
    const view = await revokeGrant(fixture.test.asPerson('bob@example.com'), {
      grantId: grant.id,
      reason,
    })
    expect(view).toMatchObject({
      state: 'revoked',
      endedAt: fixture.test.clock.now(),
      endedBy: 'bob@example.com',
      endReason: reason,
      endsAt: grant.endsAt,
    })
    const revocations = await fixture.revocationsOf(grant.id)
    expect(revocations).toMatchObject([
      { kind: 'grant', resource: 'billing-api', forgetAt: expiresAt },
    ])
    expect(await fixture.takeNotified()).toEqual([revocations[0]?.id])
    expect(await fixture.auditOf('grant_id', grant.id)).toEqual([
      { action: 'revoke-grant', outcome: 'ok', code: null, details: { reason } },
    ])
    expect(await fixture.eventsOf(grant.requestId)).toMatchObject([
      { type: 'grant.revoked', data: { grant_id: grant.id, state: 'revoked', reason } },
    ])
  })

  it('writes no revocation when no token lives', async () => {
    const fixture = use()
    const never = await fixture.insertGrant()
    const past = await fixture.insertGrant()
    await fixture.mint(past, 30)
    fixture.test.clock.advance(30)
    await fixture.takeNotified()
    for (const { id } of [never, past]) {
      await revokeGrant(fixture.test.asPerson('bob@example.com'), { grantId: id, reason })
      expect(await fixture.revocationsOf(id)).toEqual([])
    }
    expect(await fixture.takeNotified()).toEqual([])
  })

  it('ends a scheduled and a suspended one too', async () => {
    const fixture = use()
    for (const facts of [{ state: 'scheduled', startsIn: 600 }, { state: 'suspended' }] as const) {
      const { id } = await fixture.insertGrant(facts)
      const view = await revokeGrant(fixture.test.asPerson('sam@example.com'), {
        grantId: id,
        reason,
      })
      expect(view.state).toBe('revoked')
    }
  })

  it('is refused once it is over, by its state or by its time, and that is audited', async () => {
    const fixture = use()
    const ended = await fixture.insertGrant({ state: 'released' })
    const past = await fixture.insertGrant({ endsIn: 10 })
    fixture.test.clock.advance(10)
    for (const grant of [ended, past]) {
      await expect(
        revokeGrant(fixture.test.asPerson('bob@example.com'), { grantId: grant.id, reason }),
      ).rejects.toMatchObject({ code: 'grant_ended' })
      expect(await fixture.stored(grant.id)).toEqual(grant)
      expect(await fixture.auditOf('grant_id', grant.id)).toMatchObject([
        { outcome: 'refused', code: 'grant_ended' },
      ])
    }
  })

  it.each(['bob@example.com', 'sam@example.com', 'erin@example.com'])(
    'is open to %s: owner, admin, reviewer of its policy',
    async (actor) => {
      const fixture = use()
      const { id } = await fixture.insertGrant()
      const view = await revokeGrant(fixture.test.asPerson(actor), { grantId: id, reason })
      expect(view.endedBy).toBe(actor)
    },
  )

  it('is open to an operator, not to a job, a resource or nobody', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant()
    const input = { grantId: id, reason }
    const { test } = fixture
    await expect(revokeGrant(test.asJob('anything'), input)).rejects.toMatchObject({
      code: 'not_permitted',
    })
    const resource = test.as({ kind: 'resource', id: 'billing-api', via: 'resource_credential' })
    await expect(revokeGrant(resource, input)).rejects.toMatchObject({ code: 'not_found' })
    const nobody = test.as({ kind: 'anonymous', id: 'anonymous', via: 'none' })
    await expect(revokeGrant(nobody, input)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect((await revokeGrant(test.asOperator(), input)).state).toBe('revoked')
  })

  it('is refused to its holder, who may see it, and unknown to a stranger; both are audited', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    const input = { grantId: grant.id, reason }
    await expect(
      revokeGrant(fixture.test.asPerson('alice@example.com'), input),
    ).rejects.toMatchObject({ code: 'not_permitted' })
    await expect(
      revokeGrant(fixture.test.asPerson('dana@example.com'), input),
    ).rejects.toMatchObject({ code: 'not_found' })
    expect(await fixture.auditOf('grant_id', grant.id)).toMatchObject([
      { outcome: 'refused', code: 'not_permitted' },
      { outcome: 'refused', code: 'not_found' },
    ])
    expect((await fixture.stored(grant.id)).state).toBe('active')
  })

  it('answers an unknown grant as one that may not be seen', async () => {
    const fixture = use()
    const input = { grantId: 'grt_unknown', reason }
    await expect(revokeGrant(fixture.test.asPerson('bob@example.com'), input)).rejects.toThrow(
      'There is no such grant that you may see.',
    )
  })

  it('needs a reason', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant()
    await expect(
      revokeGrant(fixture.test.asPerson('bob@example.com'), { grantId: id, reason: '  ' }),
    ).rejects.toMatchObject({ code: 'invalid_input' })
    expect((await fixture.stored(id)).state).toBe('active')
  })

  it('works on a replica whose clock is two hours ahead, by the time of the database', async () => {
    const fixture = use()
    const { services, clock, asPerson } = fixture.test
    const before = clock.now()
    const databaseNow = await services.database.now()
    clock.set(databaseNow)
    const grant = await fixture.insertGrant({ endsIn: 3600 })
    const { jti } = await fixture.mint(grant, 600)
    clock.advance(7200)
    const untrusted = { ...asPerson('bob@example.com') }
    const ctx = { ...untrusted, clockMonitor: { isTrusted: () => false, skewSeconds: () => 7200 } }
    const view = await revokeGrant(ctx, { grantId: grant.id, reason })
    expect(view.state).toBe('revoked')
    clock.set(databaseNow)
    expect(await fixture.isRefused(grant, jti)).toBe(true)
    clock.set(before)
  })
})

describe('releasing a grant', () => {
  it('gives it and its tokens back, for its holder alone', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    const { jti } = await fixture.mint(grant)
    const ctx = fixture.test.asPerson('alice@example.com')
    const view = await releaseGrant(ctx, { grantId: grant.id })
    expect(view).toMatchObject({
      state: 'released',
      endedBy: 'alice@example.com',
      endReason: null,
    })
    expect(await fixture.isRefused(grant, jti)).toBe(true)
    expect(await fixture.eventTypesOf(grant.requestId)).toEqual(['grant.released'])
    await expect(releaseGrant(ctx, { grantId: grant.id })).rejects.toMatchObject({
      code: 'grant_ended',
    })
  })

  it.each(['bob@example.com', 'sam@example.com', 'alice.admin@example.com'])(
    'is refused to %s as not_holder, audited',
    async (actor) => {
      const fixture = use()
      const grant = await fixture.insertGrant()
      await expect(
        releaseGrant(fixture.test.asPerson(actor), { grantId: grant.id }),
      ).rejects.toMatchObject({ code: 'not_holder' })
      expect(await fixture.auditOf('grant_id', grant.id)).toMatchObject([
        { action: 'release-grant', outcome: 'refused', code: 'not_holder' },
      ])
    },
  )

  it('works for a workload, and for a grant that has not started', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant({
      subject: 'workload:invoice-bot',
      state: 'scheduled',
      startsIn: 600,
    })
    const view = await releaseGrant(fixture.test.asWorkload('invoice-bot'), { grantId: id })
    expect(view.state).toBe('released')
  })
})

describe('suspending and resuming a grant', () => {
  it('ends each live token by itself, keeps the end, and tokens minted afterwards are new', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    const old = [await fixture.mint(grant, 300), await fixture.mint(grant, 400)]
    await fixture.takeNotified()
    const bob = fixture.test.asPerson('bob@example.com')
    const suspended = await suspendGrant(bob, { grantId: grant.id, reason: 'odd calls' })
    expect(suspended).toMatchObject({ state: 'suspended', endsAt: grant.endsAt, endReason: null })
    expect(await fixture.revocationsOf(grant.id)).toEqual([])
    for (const { jti, expiresAt } of old) {
      expect(await fixture.revocationsOf(jti)).toMatchObject([
        { kind: 'token', resource: 'billing-api', forgetAt: expiresAt },
      ])
    }
    const announced = await fixture.takeNotified()
    expect(announced).toHaveLength(1)
    expect(announced[0]?.split(' ')).toHaveLength(2)
    await expect(fixture.mint(grant)).rejects.toMatchObject({ code: 'grant_not_active' })

    const resumed = await resumeGrant(bob, { grantId: grant.id, reason: 'explained' })
    expect(resumed).toMatchObject({ state: 'active', endsAt: grant.endsAt })
    const fresh = await fixture.mint(grant)
    expect(await fixture.isRefused(grant, fresh.jti)).toBe(false)
    for (const { jti } of old) expect(await fixture.isRefused(grant, jti)).toBe(true)
    expect(await fixture.eventTypesOf(grant.requestId)).toEqual([
      'grant.suspended',
      'grant.resumed',
    ])
    expect(await fixture.auditOf('grant_id', grant.id)).toMatchObject([
      { action: 'suspend-grant', details: { reason: 'odd calls', token_count: 2 } },
      { action: 'resume-grant', details: { reason: 'explained' } },
    ])
  })

  it('asks for a reload when the ids do not fit into one announcement', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    for (let count = 0; count < 300; count += 1) await fixture.mint(grant)
    await fixture.takeNotified()
    await suspendGrant(fixture.test.asPerson('bob@example.com'), { grantId: grant.id, reason })
    expect(await fixture.takeNotified()).toEqual(['reload'])
  })

  it('is refused when it is suspended, has not started or is over', async () => {
    const fixture = use()
    const bob = fixture.test.asPerson('bob@example.com')
    const cases = [
      [{ state: 'suspended' }, 'grant_not_active'],
      [{ state: 'scheduled', startsIn: 600 }, 'grant_not_active'],
      [{ state: 'expired' }, 'grant_ended'],
      [{ state: 'active', startsIn: -20, endsIn: 0 }, 'grant_ended'],
    ] as const
    for (const [facts, code] of cases) {
      const { id } = await fixture.insertGrant(facts)
      await expect(suspendGrant(bob, { grantId: id, reason })).rejects.toMatchObject({ code })
    }
  })

  it('stops one that has started though no job stored that', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant({ state: 'scheduled', startsIn: 5 })
    fixture.test.clock.advance(5)
    const { jti } = await fixture.mint(grant)
    const bob = fixture.test.asPerson('bob@example.com')
    await suspendGrant(bob, { grantId: grant.id, reason })
    expect(await fixture.isRefused(grant, jti)).toBe(true)
    expect(await fixture.eventTypesOf(grant.requestId)).toEqual([
      'grant.started',
      'grant.suspended',
    ])
  })

  it('may be asked by a job, which may not resume', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant()
    const job = fixture.test.asJob('watch-thresholds')
    await suspendGrant(job, { grantId: id, reason: 'denied calls crossed the threshold' })
    await expect(resumeGrant(job, { grantId: id, reason })).rejects.toMatchObject({
      code: 'not_permitted',
    })
  })

  it('may be resumed by owners and admins, not by a reviewer who could suspend it', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant()
    const erin = fixture.test.asPerson('erin@example.com')
    await suspendGrant(erin, { grantId: id, reason })
    await expect(resumeGrant(erin, { grantId: id, reason })).rejects.toMatchObject({
      code: 'not_permitted',
    })
    const view = await resumeGrant(fixture.test.asPerson('sam@example.com'), {
      grantId: id,
      reason,
    })
    expect(view.state).toBe('active')
  })

  it('may never be resumed by its holder, even one who owns the resource', async () => {
    const fixture = use()
    const { id } = await fixture.insertGrant({ subject: 'bob@example.com' })
    const bob = fixture.test.asPerson('bob@example.com')
    await suspendGrant(bob, { grantId: id, reason })
    await expect(resumeGrant(bob, { grantId: id, reason })).rejects.toMatchObject({
      code: 'not_permitted',
    })
    expect((await fixture.stored(id)).state).toBe('suspended')
  })

  it('cannot be resumed when active or over', async () => {
    const fixture = use()
    const bob = fixture.test.asPerson('bob@example.com')
    const active = await fixture.insertGrant()
    await expect(resumeGrant(bob, { grantId: active.id, reason })).rejects.toMatchObject({
      code: 'grant_not_active',
    })
    const past = await fixture.insertGrant({ state: 'suspended', startsIn: -20, endsIn: 0 })
    await expect(resumeGrant(bob, { grantId: past.id, reason })).rejects.toMatchObject({
      code: 'grant_ended',
    })
  })
})
