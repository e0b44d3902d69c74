import { eq } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import {
  disableSubject,
  enableSubject,
  revokeGrant,
  revokeResource,
  revokeSubject,
} from '../../src/access/index.ts'
import { authorizationCodeTable, sessionTable } from '../../src/database/schema/identity.ts'
import { authenticateSession, createSession } from '../../src/identity/index.ts'
import { type GrantFixture, useGrantFixture } from './grant-fixture.ts'

const use = useGrantFixture()
const reason = 'laptop stolen'
let count = 0

/** Each test has a subject of its own, seen before. */
async function newSubject(fixture: GrantFixture): Promise<string> {
  count += 1
  const subject = `person${count}@example.com`
  await fixture.insertRequest({ subject })
  return subject
}

async function signIn(fixture: GrantFixture, subject: string): Promise<string> {
  const { services } = fixture.test
  const session = await services.database.transaction((tx) =>
    createSession(tx, services, { subject, via: 'api', authenticatedBy: 'development' }),
  )
  return session.accessToken
}

describe('revoking a subject', () => {
  it('finds a person however the address is written: it is known lower-cased', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const grant = await fixture.insertGrant({ subject })
    const admin = fixture.test.asPerson('sam@example.com')
    const written = subject.replace('person', 'Person').replace('example', 'Example')
    expect(await disableSubject(admin, { subject: written, reason })).toEqual({ grantsRevoked: 1 })
    expect(await revokeSubject(admin, { subject: written, reason })).toEqual({ grantsRevoked: 0 })
    await enableSubject(admin, { subject: written, reason })
    await expect(revokeGrant(admin, { grantId: grant.id, reason })).rejects.toMatchObject({
      code: 'grant_ended',
    })
  })

  it('ends every grant, session, code and waiting request in one act with one revocation', async () => {
    const fixture = use()
    const { test } = fixture
    const subject = await newSubject(fixture)
    const grants = [
      await fixture.insertGrant({ subject }),
      await fixture.insertGrant({ subject, state: 'scheduled', startsIn: 600 }),
      await fixture.insertGrant({ subject, state: 'suspended', resource: 'ledger-api' }),
    ]
    const [held] = grants
    if (held === undefined) throw new Error('no grant')
    const past = await fixture.insertGrant({ subject, state: 'released' })
    await fixture.mint(held, 60)
    const { jti, expiresAt } = await fixture.mint(held, 600)
    const waiting = await fixture.insertRequest({ subject, state: 'pending' })
    const extension = await fixture.insertRequest({
      subject,
      state: 'pending',
      extendsGrantId: held.id,
    })
    const bearer = await signIn(fixture, subject)
    await test.services.database.read((db) =>
      db.insert(authorizationCodeTable).values({
        codeHash: Buffer.from(subject),
        clientId: 'hallpass-cli',
        redirectUri: 'http://127.0.0.1/callback',
        codeChallenge: 'challenge',
        subject,
        authenticatedBy: 'oidc',
        createdAt: test.clock.now(),
        expiresAt: fixture.seconds(60),
      }),
    )
    await fixture.takeNotified()

    const ended = await revokeSubject(test.asPerson('sam@example.com'), { subject, reason })

    expect(ended).toEqual({ grantsRevoked: 3 })
    for (const grant of grants) {
      expect(await fixture.stored(grant.id)).toMatchObject({
        state: 'revoked',
        endedBy: 'sam@example.com',
        endReason: reason,
      })
      expect(await fixture.revocationsOf(grant.id)).toEqual([])
      expect(await fixture.eventTypesOf(grant.requestId)).toContain('grant.revoked')
      expect(await fixture.auditOf('grant_id', grant.id)).toMatchObject([
        { action: 'revoke-subject', outcome: 'ok', details: { reason } },
      ])
    }
    expect((await fixture.stored(past.id)).state).toBe('released')
    expect(await fixture.requestState(waiting)).toBe('cancelled')
    expect(await fixture.eventTypesOf(waiting)).toEqual(['request.cancelled'])
    expect(await fixture.requestState(extension)).toBe('cancelled')
    expect(await fixture.eventTypesOf(held.requestId)).toContain('request.cancelled')
    await expect(authenticateSession(test.services, bearer)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    const codes = await test.services.database.read((db) =>
      db.select().from(authorizationCodeTable).where(eq(authorizationCodeTable.subject, subject)),
    )
    expect(codes[0]?.usedAt).not.toBeNull()
    const revocations = await fixture.revocationsOf(subject)
    expect(revocations).toMatchObject([{ kind: 'subject', resource: null, forgetAt: expiresAt }])
    expect(await fixture.takeNotified()).toEqual([revocations[0]?.id])
    expect(await fixture.isRefused(held, jti)).toBe(true)
    const audited = await fixture.auditOf('subject', subject)
    expect(audited.at(-1)).toMatchObject({
      action: 'revoke-subject',
      details: { reason, grants_revoked: 3, requests_cancelled: 2, sessions_ended: 1 },
    })
  })

  it('mints nothing for it until the last old token has expired, then again', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    await fixture.mint(await fixture.insertGrant({ subject }), 90)
    await revokeSubject(fixture.test.asPerson('sam@example.com'), { subject, reason })
    const next = await fixture.insertGrant({ subject })
    fixture.test.clock.advance(29.5)
    await expect(fixture.mint(next)).rejects.toMatchObject({
      code: 'recently_revoked',
      options: { retryAfterSeconds: 61 },
    })
    fixture.test.clock.advance(60.5)
    const { jti } = await fixture.mint(next)
    expect(await fixture.isRefused(next, jti)).toBe(false)
  })

  it('writes no revocation, and hinders nothing, when no token lives', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    await fixture.insertGrant({ subject })
    await fixture.takeNotified()
    await revokeSubject(fixture.test.asOperator(), { subject, reason })
    expect(await fixture.revocationsOf(subject)).toEqual([])
    expect(await fixture.takeNotified()).toEqual([])
    await fixture.mint(await fixture.insertGrant({ subject }))
  })

  it('covers tokens of grants that ended before', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const grant = await fixture.insertGrant({ subject })
    const { expiresAt } = await fixture.mint(grant)
    await revokeGrant(fixture.test.asPerson('bob@example.com'), { grantId: grant.id, reason })
    expect(
      await revokeSubject(fixture.test.asPerson('sam@example.com'), { subject, reason }),
    ).toEqual({ grantsRevoked: 0 })
    expect(await fixture.revocationsOf(subject)).toMatchObject([{ forgetAt: expiresAt }])
  })

  it('leaves a request that nobody answered in time, and a grant that ran out, to expire', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const late = await fixture.insertRequest({ subject, state: 'pending', answerIn: 5 })
    const grant = await fixture.insertGrant({ subject, endsIn: 5 })
    fixture.test.clock.advance(5)
    const ended = await revokeSubject(fixture.test.asPerson('sam@example.com'), {
      subject,
      reason,
    })
    expect(ended).toEqual({ grantsRevoked: 0 })
    expect(await fixture.requestState(late)).toBe('pending')
    expect((await fixture.stored(grant.id)).state).toBe('active')
  })

  it('ends every account of the same human', async () => {
    const fixture = use()
    const main = await fixture.insertGrant({ subject: 'alice@example.com' })
    const other = await fixture.insertGrant({ subject: 'alice.admin@example.com' })
    const ended = await revokeSubject(fixture.test.asPerson('sam@example.com'), {
      subject: 'alice.admin@example.com',
      reason,
    })
    expect(ended).toEqual({ grantsRevoked: 2 })
    for (const { id } of [main, other]) {
      expect((await fixture.stored(id)).state).toBe('revoked')
    }
  })

  it.each(['bob@example.com', 'erin@example.com', 'alice@example.com'])(
    'is refused to %s, who is no admin, and audited',
    async (actor) => {
      const fixture = use()
      const subject = await newSubject(fixture)
      await expect(
        revokeSubject(fixture.test.asPerson(actor), { subject, reason }),
      ).rejects.toMatchObject({ code: 'not_permitted' })
      expect(await fixture.auditOf('subject', subject)).toMatchObject([
        { outcome: 'refused', code: 'not_permitted' },
      ])
    },
  )

  it('is refused to a job', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    await expect(
      revokeSubject(fixture.test.asJob('anything'), { subject, reason }),
    ).rejects.toMatchObject({ code: 'not_permitted' })
  })

  it('says when a name is misspelt, and takes one that only the catalog knows', async () => {
    const fixture = use()
    const sam = fixture.test.asPerson('sam@example.com')
    await expect(
      revokeSubject(sam, { subject: 'alise@example.com', reason }),
    ).rejects.toMatchObject({ code: 'not_found' })
    for (const subject of ['carol@example.com', 'workload:invoice-bot']) {
      expect(await revokeSubject(sam, { subject, reason })).toEqual({ grantsRevoked: 0 })
    }
  })
})

describe('disabling and enabling a subject', () => {
  it('ends everything, refuses sign-in and mint, and enabling brings nothing back', async () => {
    const fixture = use()
    const { test } = fixture
    const sam = test.asPerson('sam@example.com')
    const subject = await newSubject(fixture)
    const grant = await fixture.insertGrant({ subject })
    await fixture.mint(grant, 30)
    const bearer = await signIn(fixture, subject)

    expect(await disableSubject(sam, { subject, reason })).toEqual({ grantsRevoked: 1 })
    expect(await fixture.eventTypesOf(subject)).toEqual(['subject.disabled'])
    await expect(signIn(fixture, subject)).rejects.toMatchObject({ code: 'not_permitted' })
    const later = await fixture.insertGrant({ subject })
    await expect(fixture.mint(later)).rejects.toThrow('disabled')

    expect(await disableSubject(sam, { subject, reason })).toEqual({ grantsRevoked: 1 })
    expect(await fixture.eventTypesOf(subject)).toEqual(['subject.disabled'])

    expect(await enableSubject(sam, { subject, reason: 'found it' })).toEqual({
      grantsRevoked: 0,
    })
    await enableSubject(sam, { subject, reason: 'again' })
    expect(await fixture.eventTypesOf(subject)).toEqual(['subject.disabled', 'subject.enabled'])
    expect((await fixture.stored(grant.id)).state).toBe('revoked')
    await expect(authenticateSession(test.services, bearer)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await signIn(fixture, subject)
    expect((await fixture.auditOf('subject', subject)).map(({ action }) => action)).toEqual([
      'disable-subject',
      'disable-subject',
      'disable-subject',
      'disable-subject',
      'enable-subject',
    ])
  })

  it('takes an owner every right over grants until enabled, by whatever door they come', async () => {
    const fixture = use()
    const sam = fixture.test.asPerson('sam@example.com')
    const { id } = await fixture.insertGrant({ subject: 'dana@example.com' })
    const input = { grantId: id, reason }
    await disableSubject(sam, { subject: 'carol@example.com', reason })
    for (const via of ['api', 'slack', 'cli'] as const) {
      await expect(
        revokeGrant(fixture.test.asPerson('carol@example.com', via), input),
      ).rejects.toMatchObject({ code: 'not_permitted' })
    }
    await enableSubject(sam, { subject: 'carol@example.com', reason })
    await revokeGrant(fixture.test.asPerson('carol@example.com'), input)
  })

  it('refuses both to those who are no admins', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    for (const act of [disableSubject, enableSubject]) {
      await expect(
        act(fixture.test.asPerson('bob@example.com'), { subject, reason }),
      ).rejects.toMatchObject({ code: 'not_permitted' })
    }
  })

  it('keeps sessions of others', async () => {
    const fixture = use()
    const subject = await newSubject(fixture)
    const bearer = await signIn(fixture, 'dana@example.com')
    await disableSubject(fixture.test.asPerson('sam@example.com'), { subject, reason })
    const actor = await authenticateSession(fixture.test.services, bearer)
    expect(actor.id).toBe('dana@example.com')
    await fixture.test.services.database.read((db) =>
      db.delete(sessionTable).where(eq(sessionTable.subject, 'dana@example.com')),
    )
  })
})

describe('revoking a resource', () => {
  it('ends every grant on it with one revocation, and nothing elsewhere', async () => {
    const fixture = use()
    const { test } = fixture
    await revokeResource(test.asOperator(), { resource: 'ledger-api', reason: 'a clean start' })
    test.clock.advance(4000)
    const grants = [
      await fixture.insertGrant({ resource: 'ledger-api' }),
      await fixture.insertGrant({ resource: 'ledger-api', subject: 'dana@example.com' }),
    ]
    const elsewhere = await fixture.insertGrant({ subject: 'dana@example.com' })
    const [held] = grants
    if (held === undefined) throw new Error('no grant')
    const { jti, expiresAt } = await fixture.mint(held, 120)
    const waiting = await fixture.insertRequest({ role: 'ledger-reader', state: 'pending' })
    await fixture.takeNotified()
    const input = { resource: 'ledger-api', reason }
    expect(await revokeResource(test.asPerson('sam@example.com'), input)).toEqual({
      grantsRevoked: 2,
    })
    for (const { id } of grants) expect((await fixture.stored(id)).state).toBe('revoked')
    expect((await fixture.stored(elsewhere.id)).state).toBe('active')
    expect(await fixture.requestState(waiting)).toBe('pending')
    expect(await fixture.isRefused(held, jti)).toBe(true)
    const live = (await fixture.revocationsOf('ledger-api')).filter(
      ({ forgetAt }) => forgetAt > test.clock.now(),
    )
    expect(live).toMatchObject([{ kind: 'resource', resource: 'ledger-api', forgetAt: expiresAt }])
    expect(await fixture.takeNotified()).toEqual(live.map(({ id }) => id))

    const next = await fixture.insertGrant({ resource: 'ledger-api' })
    await expect(fixture.mint(next)).rejects.toMatchObject({ code: 'recently_revoked' })
    await fixture.mint(elsewhere)
    test.clock.advance(120)
    await fixture.mint(next)
  })

  it('is for its owners and admins alone, and for a resource that exists', async () => {
    const fixture = use()
    const { test } = fixture
    const input = { resource: 'billing-api', reason }
    for (const actor of ['erin@example.com', 'alice@example.com']) {
      await expect(revokeResource(test.asPerson(actor), input)).rejects.toMatchObject({
        code: 'not_permitted',
      })
    }
    await expect(
      revokeResource(test.asPerson('bob@example.com'), { resource: 'ledger-api', reason }),
    ).rejects.toMatchObject({ code: 'not_permitted' })
    await expect(
      revokeResource(test.asPerson('sam@example.com'), { resource: 'biling-api', reason }),
    ).rejects.toMatchObject({ code: 'not_found' })
    await revokeResource(test.asPerson('bob@example.com'), input)
    const audited = await fixture.auditOf('resource', 'billing-api')
    expect(audited.at(-1)).toMatchObject({ action: 'revoke-resource', outcome: 'ok' })
  })
})
