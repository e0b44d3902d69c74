import { sql } from 'drizzle-orm'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { resumeGrant, revokeGrant, suspendGrant } from '../../src/access/index.ts'
import type { OperationContext, UseObserver } from '../../src/context.ts'
import {
  forgetTokens,
  introspectToken,
  mintToken,
  publishedKeys,
  remintToken,
  retireKeys,
  revokeKey,
  rotateKeys,
} from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import {
  apply,
  auditEntries,
  billing,
  billingAudience,
  catalogText,
  openGrant,
  prepare,
} from './grants.ts'

const test = await useTestServices()
const alice = test.asPerson('alice@example.com')
const bob = test.asPerson('bob@example.com')
const dana = test.asPerson('dana@example.com')

beforeAll(() => prepare(test))
beforeEach(() => test.clock.advance(7))

async function verified(token: string, audience = billingAudience) {
  const keySet = createLocalJWKSet((await publishedKeys(test.services)) as JSONWebKeySet)
  return jwtVerify(token, keySet, {
    issuer: test.services.issuer,
    audience,
    typ: 'at+jwt',
    currentDate: test.clock.now(),
  })
}

async function tokenCount(): Promise<number> {
  const { rows } = await test.services.database.read((db) =>
    db.execute<{ count: string }>(sql`select count(*) as count from issued_token`),
  )
  return Number(rows[0]?.count)
}

describe('a token of an active grant', () => {
  it('is an RFC 9068 access token for the grant of its holder', async () => {
    const grantId = await openGrant(test)
    const minted = await mintToken(alice, { grantId })
    expect(minted).toMatchObject({
      tokenType: 'Bearer',
      expiresIn: 300,
      scope: 'invoices:read invoices:write',
      grantId,
    })
    expect(minted.authorizationExpiresIn).toBe(3600)
    const { payload, protectedHeader } = await verified(minted.accessToken)
    expect(protectedHeader).toEqual({ alg: 'RS256', kid: expect.any(String), typ: 'at+jwt' })
    expect(payload).toEqual({
      iss: test.services.issuer,
      sub: 'alice@example.com',
      aud: billingAudience,
      client_id: 'hallpass',
      scope: 'invoices:read invoices:write',
      iat: Math.floor(test.clock.now().getTime() / 1000),
      nbf: Math.floor(test.clock.now().getTime() / 1000),
      exp: Math.floor(test.clock.now().getTime() / 1000) + 300,
      jti: expect.stringMatching(/^jti_/),
      grant_id: grantId,
    })
  })

  it('of a workload names the workload as subject and client', async () => {
    const grantId = await openGrant(test, { subject: 'workload:invoice-bot' })
    const { accessToken } = await mintToken(test.asWorkload('invoice-bot'), { grantId })
    const { payload } = await verified(accessToken)
    expect(payload).toMatchObject({ sub: 'workload:invoice-bot', client_id: 'invoice-bot' })
  })

  it('has fewer scopes when fewer are asked for', async () => {
    const grantId = await openGrant(test)
    const minted = await mintToken(alice, { grantId, scopes: ['invoices:read'] })
    expect(minted.scope).toBe('invoices:read')
  })

  it('ends with the grant when that is sooner', async () => {
    const grantId = await openGrant(test, { endsInSeconds: 90 })
    const minted = await mintToken(alice, { grantId })
    expect(minted.expiresIn).toBe(90)
    const { payload } = await verified(minted.accessToken)
    const endsAt = test.clock.now().getTime() + 90_000
    expect((payload.exp ?? 0) * 1000).toBeLessThanOrEqual(endsAt)
  })

  it('never claims to last longer than its grant, to the second', async () => {
    const grantId = await openGrant(test, { endsInSeconds: 90 })
    // wherever in its second the clock stands
    for (let tenth = 1; tenth < 10; tenth += 1) {
      test.clock.advance(0.1)
      const { expiresIn, authorizationExpiresIn } = await mintToken(alice, { grantId })
      expect(authorizationExpiresIn).toBe(89)
      expect(expiresIn).toBeLessThanOrEqual(89)
    }
  })

  it('is minted though the job that starts grants never ran', async () => {
    const grantId = await openGrant(test, { state: 'scheduled', startsInSeconds: 60 })
    await expect(mintToken(alice, { grantId })).rejects.toMatchObject({ code: 'grant_not_active' })
    test.clock.advance(60)
    expect((await mintToken(alice, { grantId })).expiresIn).toBe(300)
  })

  it('is audited with its jti and key before it exists, and is stored nowhere', async () => {
    const grantId = await openGrant(test)
    const { accessToken } = await mintToken(alice, { grantId })
    const { payload, protectedHeader } = await verified(accessToken)
    const entry = (await auditEntries(test, 'mint-token')).at(-1)
    expect(entry).toMatchObject({
      outcome: 'ok',
      actor_id: 'alice@example.com',
      grant_id: grantId,
      details: { jti: payload.jti, kid: protectedHeader.kid },
    })
    const signature = accessToken.split('.')[2] ?? ''
    const { rows } = await test.services.database.read((db) =>
      db.execute<{ found: boolean }>(sql`select exists (
        select 1 from issued_token t where t::text like ${`%${signature}%`}) as found`),
    )
    expect(rows[0]?.found).toBe(false)
  })

  it('tells the observer that the grant was taken up, once it is committed', async () => {
    const mints: unknown[] = []
    const observer: UseObserver = { observeMint: (use) => mints.push(use), observeUse: () => {} }
    const grantId = await openGrant(test)
    await mintToken({ ...alice, useObserver: observer }, { grantId })
    await expect(mintToken({ ...bob, useObserver: observer }, { grantId })).rejects.toMatchObject({
      code: 'not_holder',
    })
    expect(mints).toEqual([{ grantId, at: test.clock.now() }])
  })
})

describe('minting is refused', () => {
  it('to those who see the grant and do not hold it, and audited', async () => {
    const grantId = await openGrant(test)
    for (const other of [bob, test.asPerson('sam@example.com'), test.asOperator()]) {
      await expect(mintToken(other, { grantId })).rejects.toMatchObject({ code: 'not_holder' })
    }
    expect((await auditEntries(test, 'mint-token')).at(-1)).toMatchObject({
      outcome: 'refused',
      code: 'not_holder',
      grant_id: grantId,
    })
  })

  it('as not found to those who may not see it, and for a grant that never was', async () => {
    const grantId = await openGrant(test)
    const strangers = [
      dana,
      test.asWorkload('invoice-bot'),
      test.as({ kind: 'resource', id: 'alice@example.com', via: 'resource_credential' }),
    ]
    for (const stranger of strangers) {
      await expect(mintToken(stranger, { grantId })).rejects.toMatchObject({ code: 'not_found' })
    }
    await expect(mintToken(alice, { grantId: 'grt_nothing' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('from a suspended grant until it is resumed', async () => {
    const grantId = await openGrant(test)
    await suspendGrant(bob, { grantId, reason: 'a second look' })
    await expect(mintToken(alice, { grantId })).rejects.toMatchObject({ code: 'grant_not_active' })
    await resumeGrant(bob, { grantId, reason: 'all is well' })
    expect((await mintToken(alice, { grantId })).scope).toBe('invoices:read invoices:write')
  })

  it('from a revoked grant', async () => {
    const grantId = await openGrant(test)
    await revokeGrant(bob, { grantId, reason: 'no longer needed' })
    await expect(mintToken(alice, { grantId })).rejects.toMatchObject({ code: 'grant_ended' })
  })

  it('from the second it ends, though no job ran', async () => {
    const grantId = await openGrant(test, { endsInSeconds: 60 })
    test.clock.advance(60)
    await expect(mintToken(alice, { grantId })).rejects.toMatchObject({ code: 'grant_ended' })
  })

  it('when the catalog lets the holder have it no more, and the grant stays', async () => {
    const grantId = await openGrant(test)
    const without = '[dana@example.com]'
    await apply(test, catalogText.replace('[alice@example.com, dana@example.com]', without))
    await expect(mintToken(alice, { grantId })).rejects.toMatchObject({ code: 'not_eligible' })
    await apply(test)
    expect((await mintToken(alice, { grantId })).grantId).toBe(grantId)
  })

  it('while the clock cannot be trusted', async () => {
    const grantId = await openGrant(test)
    const clockMonitor = { isTrusted: () => false, skewSeconds: () => 7200 }
    await expect(mintToken({ ...alice, clockMonitor }, { grantId })).rejects.toMatchObject({
      code: 'cannot_decide',
    })
  })

  it('without a row or an entry when the key cannot be opened', async () => {
    const grantId = await openGrant(test)
    const before = [await tokenCount(), (await auditEntries(test, 'mint-token')).length]
    const secretBox = {
      seal: test.services.secretBox.seal,
      open: () => {
        throw new Error('the key is elsewhere')
      },
    }
    await expect(mintToken({ ...alice, secretBox }, { grantId })).rejects.toThrowError(/elsewhere/)
    expect([await tokenCount(), (await auditEntries(test, 'mint-token')).length]).toEqual(before)
  })
})

describe('while the whole subject or resource was revoked a moment ago', () => {
  it.each([
    ['subject', 'alice@example.com'],
    ['resource', 'billing-api'],
  ])('minting for that %s waits, and says how long', async (kind, target) => {
    const grantId = await openGrant(test)
    const now = test.clock.now()
    const forgetAt = new Date(now.getTime() + 45_000)
    await test.services.database.read((db) =>
      db.execute(sql`insert into revocation (id, kind, target, resource, at, forget_at)
        values (${`rvk_${kind}`}, ${kind}, ${target}, null, ${now.toISOString()}::timestamptz,
                ${forgetAt.toISOString()}::timestamptz)`),
    )
    await expect(mintToken(alice, { grantId })).rejects.toMatchObject({
      code: 'recently_revoked',
      options: { retryAfterSeconds: 45 },
    })
    test.clock.set(forgetAt)
    expect((await mintToken(alice, { grantId })).grantId).toBe(grantId)
  })
})

describe('minting while the grant ends', () => {
  const asResource = test.as({ kind: 'resource', id: billing, via: 'resource_credential' })

  it.each(['revoke', 'suspend'] as const)(
    'gives no token that outlives the %s, however they interleave',
    async (ending) => {
      for (let round = 0; round < 5; round += 1) {
        const grantId = await openGrant(test)
        const mints = Array.from({ length: 6 }, () => mintToken(alice, { grantId }))
        const end = ending === 'revoke' ? revokeGrant : suspendGrant
        const ended = end(bob, { grantId, reason: 'a race' })
        const outcomes = await Promise.allSettled([...mints, ended])
        expect(outcomes.at(-1)?.status).toBe('fulfilled')
        for (const outcome of await Promise.allSettled(mints)) {
          if (outcome.status === 'rejected') {
            expect(outcome.reason.code).toMatch(/^grant_(ended|not_active)$/)
            continue
          }
          const { accessToken: token } = outcome.value
          expect(await introspectToken(asResource, { token })).toEqual({ active: false })
        }
        if (ending === 'suspend') await resumeGrant(bob, { grantId, reason: 'race over' })
        for (const outcome of await Promise.allSettled(mints)) {
          if (outcome.status === 'rejected') continue
          const { accessToken: token } = outcome.value
          expect(await introspectToken(asResource, { token })).toEqual({ active: false })
        }
      }
    },
  )
})

describe('a repeated mint', () => {
  async function mintedOnce(): Promise<{ grantId: string; jti: string; token: string }> {
    const grantId = await openGrant(test)
    const { accessToken } = await mintToken(alice, { grantId })
    const { payload } = await verified(accessToken)
    return { grantId, jti: payload.jti ?? '', token: accessToken }
  }
  const claimsOf = (token: string) => token.split('.')[1]

  it('signs the same claims again, and makes no second token', async () => {
    const { jti, token, grantId } = await mintedOnce()
    const count = await tokenCount()
    test.clock.advance(100)
    const again = await remintToken(alice, jti)
    expect(claimsOf(again.accessToken)).toBe(claimsOf(token))
    expect(again).toMatchObject({ grantId, expiresIn: 200, authorizationExpiresIn: 3500 })
    expect(await tokenCount()).toBe(count)
    await verified(again.accessToken)
  })

  it('keeps its key while that retires', async () => {
    const { jti, token } = await mintedOnce()
    await rotateKeys(test.asOperator(), { onlyWhenDue: false })
    const again = await remintToken(alice, jti)
    expect(decodeProtectedHeader(again.accessToken).kid).toBe(decodeProtectedHeader(token).kid)
  })

  it('is refused once the grant is suspended, the token revoked with it', async () => {
    const { jti, grantId } = await mintedOnce()
    await suspendGrant(bob, { grantId, reason: 'a second look' })
    await expect(remintToken(alice, jti)).rejects.toMatchObject({ code: 'grant_not_active' })
    await resumeGrant(bob, { grantId, reason: 'all is well' })
    await expect(remintToken(alice, jti)).rejects.toMatchObject({ code: 'grant_not_active' })
  })

  it('is refused once its key was revoked', async () => {
    const { jti, token } = await mintedOnce()
    await revokeKey(test.asOperator(), { kid: decodeProtectedHeader(token).kid ?? '' })
    await expect(remintToken(alice, jti)).rejects.toMatchObject({ code: 'grant_not_active' })
  })

  it('is refused to anyone but the holder', async () => {
    const { jti } = await mintedOnce()
    await expect(remintToken(bob, jti)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('a retiring key', () => {
  it('stays until the very instant at which its last token ends', async () => {
    const grantId = await openGrant(test)
    const { accessToken } = await mintToken(alice, { grantId })
    const { kid } = decodeProtectedHeader(accessToken)
    const job = test.asJob('retire-keys')
    await rotateKeys(test.asOperator(), { onlyWhenDue: false })
    const { payload } = await verified(accessToken)
    test.clock.set(new Date((payload.exp ?? 0) * 1000 - 1))
    expect(await retireKeys(job)).not.toContain(kid)
    await verified(accessToken)
    test.clock.advance(0.001)
    expect(await retireKeys(job)).toContain(kid)
    const { keys } = await publishedKeys(test.services)
    expect(keys.map((key) => key.kid)).not.toContain(kid)
  })

  it('signs nothing more, whatever mints run while it is rotated', async () => {
    const grantId = await openGrant(test)
    const mints: Promise<string>[] = []
    for (let index = 0; index < 6; index += 1) {
      mints.push(mintToken(alice, { grantId }).then(({ accessToken }) => accessToken))
    }
    const rotation = await rotateKeys(test.asOperator(), { onlyWhenDue: false })
    const { accessToken } = await mintToken(alice, { grantId })
    expect(decodeProtectedHeader(accessToken).kid).toBe(rotation?.activeKid)
    for (const token of await Promise.all(mints)) await verified(token)
  })
})

describe('rows of tokens', () => {
  it('are forgotten a day after the token expired, not before', async () => {
    const grantId = await openGrant(test, { endsInSeconds: 3 * 24 * 3600 })
    await mintToken(alice, { grantId })
    const job: OperationContext = test.asJob('forget-tokens')
    test.clock.advance(300 + 24 * 3600 - 1)
    const before = await tokenCount()
    await forgetTokens(job)
    expect(await tokenCount()).toBeGreaterThan(0)
    test.clock.advance(1)
    expect(await forgetTokens(job)).toBeGreaterThan(0)
    expect(await tokenCount()).toBeLessThan(before)
    await expect(forgetTokens(alice)).rejects.toMatchObject({ code: 'not_permitted' })
  })
})
