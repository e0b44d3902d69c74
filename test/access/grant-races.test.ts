import { describe, expect, it } from 'vitest'
import { changeGrant } from '../../src/access/change-grant.ts'
import {
  expireGrants,
  lockGrant,
  lockResource,
  releaseGrant,
  requireMove,
  revokeGrant,
  revokeResource,
  revokeSubject,
  suspendGrant,
} from '../../src/access/index.ts'
import type { Transaction } from '../../src/database/index.ts'
import { accessGrantTable } from '../../src/database/schema/grants.ts'
import { lockSubject } from '../../src/identity/index.ts'
import { type GrantFixture, useGrantFixture } from './grant-fixture.ts'

const use = useGrantFixture()
const reason = 'laptop stolen'
let count = 0

async function newSubject(fixture: GrantFixture): Promise<string> {
  count += 1
  const subject = `racer${count}@example.com`
  await fixture.insertRequest({ subject })
  return subject
}

const codeOf = (result: PromiseSettledResult<unknown>): string =>
  result.status === 'fulfilled' ? 'ok' : String(Object(result.reason).code ?? result.reason)

/** Opens a transaction that does its work and then waits, holding its locks, until it is told to commit. */
async function heldTransaction(
  fixture: GrantFixture,
  work: (tx: Transaction) => Promise<unknown>,
): Promise<{ commit: () => Promise<void> }> {
  let commit = () => {}
  const held = new Promise<void>((resolve) => {
    commit = resolve
  })
  let done = () => {}
  const working = new Promise<void>((resolve) => {
    done = resolve
  })
  const whole = fixture.test.services.database.transaction(async (tx) => {
    await work(tx)
    done()
    await held
  })
  await Promise.race([working, whole])
  return {
    commit: () => {
      commit()
      return whole
    },
  }
}

/** Lets others run until one of them waits for a lock. */
async function untilSomebodyWaits(fixture: GrantFixture): Promise<void> {
  const { database } = fixture.test.services
  for (;;) {
    const { rows } = await database.read((db) =>
      db.execute<{ waiting: number }>(
        `select count(*)::int as waiting from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`,
      ),
    )
    if ((rows[0]?.waiting ?? 0) > 0) return
  }
}

describe('revoke against revoke', () => {
  it('50 at once end it once: one revocation, one audit entry that says ok, one event', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    await fixture.mint(grant)
    const ctx = fixture.test.asPerson('bob@example.com')
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, () => revokeGrant(ctx, { grantId: grant.id, reason })),
    )
    const codes = results.map(codeOf).sort()
    expect(codes.filter((code) => code === 'ok')).toHaveLength(1)
    expect(codes.filter((code) => code === 'grant_ended')).toHaveLength(49)
    expect(await fixture.revocationsOf(grant.id)).toHaveLength(1)
    const outcomes = (await fixture.auditOf('grant_id', grant.id)).map(({ outcome }) => outcome)
    expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(1)
    expect(outcomes).toHaveLength(50)
    expect(await fixture.eventTypesOf(grant.requestId)).toEqual(['grant.revoked'])
  })

  it('one whose transaction fails leaves the grant as it was, to be revoked again', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    const { jti } = await fixture.mint(grant)
    const bob = fixture.test.asPerson('bob@example.com')
    const failing = {
      ...bob,
      ids: {
        ...bob.ids,
        next: (prefix: Parameters<typeof bob.ids.next>[0]) => {
          if (prefix === 'evt') throw new Error('the event could not be written')
          return bob.ids.next(prefix)
        },
      },
    }
    await expect(revokeGrant(failing, { grantId: grant.id, reason })).rejects.toThrow('event')
    expect(await fixture.stored(grant.id)).toEqual(grant)
    expect(await fixture.revocationsOf(grant.id)).toEqual([])
    await revokeGrant(bob, { grantId: grant.id, reason })
    expect(await fixture.isRefused(grant, jti)).toBe(true)
  })
})

describe('mint against ending', () => {
  it('leaves no token that nothing takes back, whoever comes first', async () => {
    const fixture = use()
    const bob = fixture.test.asPerson('bob@example.com')
    for (let round = 0; round < 25; round += 1) {
      const grant = await fixture.insertGrant()
      const end = () => revokeGrant(bob, { grantId: grant.id, reason })
      const mint = () => fixture.mint(grant)
      const order = round % 2 === 0 ? [mint(), mint(), end(), mint()] : [end(), mint(), mint()]
      for (const result of await Promise.allSettled<unknown>(order)) {
        if (result.status === 'rejected') {
          expect(result.reason).toMatchObject({ code: 'grant_ended' })
          continue
        }
        const { jti } = Object(result.value) as { jti?: string }
        if (jti !== undefined) expect(await fixture.isRefused(grant, jti)).toBe(true)
      }
      expect((await fixture.stored(grant.id)).state).toBe('revoked')
    }
  })

  it('a mint under way when the subject is revoked is waited for and taken back', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    for (let round = 0; round < 10; round += 1) {
      const grant = await fixture.insertGrant({ subject })
      const minted = Promise.allSettled([fixture.mint(grant, 5), fixture.mint(grant, 5)])
      await revokeSubject(fixture.test.asPerson('sam@example.com'), { subject, reason })
      for (const result of await minted) {
        if (result.status === 'fulfilled') {
          expect(await fixture.isRefused(grant, result.value.jti)).toBe(true)
        } else {
          expect(result.reason.code).toMatch(/^(recently_revoked|grant_ended)$/)
        }
      }
      expect((await fixture.stored(grant.id)).state).toBe('revoked')
      fixture.test.clock.advance(5)
    }
  })

  it('a mint under way when the resource is revoked is waited for and taken back', async () => {
    const fixture = use()
    for (let round = 0; round < 10; round += 1) {
      const subject = await newSubject(fixture)
      const grant = await fixture.insertGrant({ subject, resource: 'ledger-api' })
      const minted = Promise.allSettled([fixture.mint(grant, 5), fixture.mint(grant, 5)])
      await revokeResource(fixture.test.asPerson('sam@example.com'), {
        resource: 'ledger-api',
        reason,
      })
      for (const result of await minted) {
        if (result.status === 'fulfilled') {
          expect(await fixture.isRefused(grant, result.value.jti)).toBe(true)
        } else {
          expect(result.reason.code).toMatch(/^(recently_revoked|grant_ended)$/)
        }
      }
      expect((await fixture.stored(grant.id)).state).toBe('revoked')
      fixture.test.clock.advance(5)
    }
  })

  it('a mint waits for a suspension under way, and is refused by it', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    const held = await heldTransaction(fixture, async (tx) => {
      await changeGrant(tx, await lockGrant(tx, grant.id), { state: 'suspended' })
    })
    const minting = Promise.allSettled([fixture.mint(grant)])
    await untilSomebodyWaits(fixture)
    await held.commit()
    expect((await minting).map(codeOf)).toEqual(['grant_not_active'])
  })
})

describe('opening against revoking a subject or a resource', () => {
  /** Opens a grant as completing a request does: its locks, its row, not yet committed. */
  async function openingOf(fixture: GrantFixture, subject: string, requestId: string) {
    const id = fixture.test.services.ids.next('grt')
    const held = await heldTransaction(fixture, async (tx) => {
      await lockSubject(tx, subject, 'share')
      await lockResource(tx, 'billing-api', 'share')
      await tx.db.insert(accessGrantTable).values({
        id,
        requestId,
        subject,
        resource: 'billing-api',
        audience: 'https://billing.example.com',
        role: 'billing-operator',
        scopes: ['invoices:read'],
        policy: 'billing-operate',
        catalogVersion: 1,
        state: 'active',
        tokenLifetimeSeconds: 600,
        startsAt: fixture.test.clock.now(),
        endsAt: fixture.seconds(3600),
        createdAt: fixture.test.clock.now(),
      })
    })
    return { id, commit: held.commit }
  }

  it('a grant that is being opened is waited for and ended with the subject', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const opening = await openingOf(fixture, subject, await fixture.insertRequest({ subject }))
    const revoking = revokeSubject(fixture.test.asPerson('sam@example.com'), { subject, reason })
    await untilSomebodyWaits(fixture)
    await opening.commit()
    expect(await revoking).toEqual({ grantsRevoked: 1 })
    expect((await fixture.stored(opening.id)).state).toBe('revoked')
  })

  it('a grant that is being opened is waited for and ended with the resource', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const opening = await openingOf(fixture, subject, await fixture.insertRequest({ subject }))
    const revoking = revokeResource(fixture.test.asPerson('bob@example.com'), {
      resource: 'billing-api',
      reason,
    })
    const first = await Promise.race([untilSomebodyWaits(fixture), revoking])
    expect(first).toBeUndefined()
    await opening.commit()
    await revoking
    expect((await fixture.stored(opening.id)).state).toBe('revoked')
    // the tokens of earlier tests are over, and minting goes on
    fixture.test.clock.advance(600)
  })

  it('two admins at once end everything once', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const grant = await fixture.insertGrant({ subject })
    await fixture.mint(grant)
    const sam = fixture.test.asPerson('sam@example.com')
    const results = await Promise.all(
      Array.from({ length: 10 }, () => revokeSubject(sam, { subject, reason })),
    )
    expect(results.reduce((sum, { grantsRevoked }) => sum + grantsRevoked, 0)).toBe(1)
    expect(await fixture.revocationsOf(subject)).toHaveLength(1)
    expect(await fixture.eventTypesOf(grant.requestId)).toEqual(['grant.revoked'])
  })

  it('a grant revoked by itself meanwhile is not ended twice', async () => {
    const fixture = use()
    for (let round = 0; round < 10; round += 1) {
      const subject = await newSubject(fixture)
      const grant = await fixture.insertGrant({ subject })
      const results = await Promise.allSettled([
        revokeSubject(fixture.test.asPerson('sam@example.com'), { subject, reason }),
        revokeGrant(fixture.test.asPerson('bob@example.com'), { grantId: grant.id, reason }),
        revokeResource(fixture.test.asPerson('bob@example.com'), {
          resource: 'billing-api',
          reason,
        }),
      ])
      for (const code of results.map(codeOf)) expect(['ok', 'grant_ended']).toContain(code)
      expect(await fixture.eventTypesOf(grant.requestId)).toEqual(['grant.revoked'])
    }
  })
})

describe('release against expiry', () => {
  it('ends it once: by its holder just before, by its time from then on', async () => {
    const fixture = use()
    const alice = fixture.test.asPerson('alice@example.com')
    const job = fixture.test.asJob('expire-grants')
    for (let round = 0; round < 10; round += 1) {
      const grant = await fixture.insertGrant({ endsIn: 1 })
      fixture.test.clock.advance(round % 2 === 0 ? 0.999 : 1)
      const [released] = await Promise.allSettled([
        releaseGrant(alice, { grantId: grant.id }),
        expireGrants(job),
        expireGrants(job),
      ])
      fixture.test.clock.advance(1)
      await expireGrants(job)
      const isReleased = released?.status === 'fulfilled'
      expect(isReleased).toBe(round % 2 === 0)
      expect((await fixture.stored(grant.id)).state).toBe(isReleased ? 'released' : 'expired')
      expect(await fixture.eventTypesOf(grant.requestId)).toEqual([
        isReleased ? 'grant.released' : 'grant.expired',
      ])
    }
  })
})

describe('suspend against extend', () => {
  it('both happen: suspended, with the later end', async () => {
    const fixture = use()
    const bob = fixture.test.asPerson('bob@example.com')
    for (let round = 0; round < 10; round += 1) {
      const grant = await fixture.insertGrant()
      const endsAt = fixture.seconds(7200)
      // what completing an extension does to the grant
      const extend = () =>
        fixture.test.services.database.transaction(async (tx) => {
          const locked = await lockGrant(tx, grant.id)
          requireMove(locked, 'extend', fixture.test.clock.now())
          await changeGrant(tx, locked, { endsAt })
        })
      const suspend = () => suspendGrant(bob, { grantId: grant.id, reason })
      await Promise.all(round % 2 === 0 ? [extend(), suspend()] : [suspend(), extend()])
      expect(await fixture.stored(grant.id)).toMatchObject({
        state: 'suspended',
        endsAt,
        version: 3,
      })
    }
  })

  it('a change without the lock is refused, not lost', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    await suspendGrant(fixture.test.asPerson('bob@example.com'), { grantId: grant.id, reason })
    const stale = fixture.test.services.database.transaction((tx) =>
      changeGrant(tx, grant, { state: 'active' }),
    )
    await expect(stale).rejects.toMatchObject({ code: 'stale_version' })
  })

  it('nor does one win that read the grant before its end was moved', async () => {
    const fixture = use()
    const grant = await fixture.insertGrant()
    const move = (seconds: number) =>
      fixture.test.services.database.transaction((tx) =>
        changeGrant(tx, grant, { endsAt: fixture.seconds(seconds) }),
      )
    await move(7200)
    await expect(move(60)).rejects.toMatchObject({ code: 'stale_version' })
    expect((await fixture.stored(grant.id)).endsAt).toEqual(fixture.seconds(7200))
  })
})
