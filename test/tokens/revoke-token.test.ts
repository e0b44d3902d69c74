import { sql } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OperationContext } from '../../src/context.ts'
import { authenticateSession, createSession } from '../../src/identity/index.ts'
import { introspectToken, mintToken, revokeToken } from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import { auditEntries, billing, openGrant, prepare } from './grants.ts'

const test = await useTestServices()
const alice = test.asPerson('alice@example.com')
const invoiceBot = test.asWorkload('invoice-bot')
const resource = test.as({ kind: 'resource', id: billing, via: 'resource_credential' })

beforeAll(() => prepare(test))
beforeEach(() => test.clock.advance(7))

async function mintedFor(ctx: OperationContext): Promise<string> {
  const grantId = await openGrant(test, { subject: ctx.actor.id })
  return (await mintToken(ctx, { grantId })).accessToken
}

async function isActive(token: string): Promise<boolean> {
  return (await introspectToken(resource, { token })).active
}

async function revocationsOf(token: string) {
  const { rows } = await test.services.database.read((db) =>
    db.execute<{ kind: string; resource: string; is_exact: boolean }>(sql`
      select r.kind, r.resource, r.forget_at = t.expires_at as is_exact
      from revocation r join issued_token t on t.jti = r.target
      where r.target = ${String(decodeJwt(token).jti)}`),
  )
  return rows
}

function openSession(subject: string) {
  return test.services.database.transaction((tx) =>
    createSession(tx, test.services, { subject, via: 'api', authenticatedBy: 'development' }),
  )
}

describe('a token that is taken back', () => {
  it('by its subject is refused from then on, until it would have expired', async () => {
    const token = await mintedFor(alice)
    await revokeToken(alice, { token })
    expect(await isActive(token)).toBe(false)
    expect(await revocationsOf(token)).toEqual([
      { kind: 'token', resource: billing, is_exact: true },
    ])
    expect((await auditEntries(test, 'revoke-token')).at(-1)).toMatchObject({
      outcome: 'ok',
      subject: 'alice@example.com',
      details: { jti: decodeJwt(token).jti },
    })
  })

  it('by its own client is refused from then on', async () => {
    const token = await mintedFor(invoiceBot)
    await revokeToken(invoiceBot, { token })
    expect(await isActive(token)).toBe(false)
  })

  it('leaves the other tokens of its grant', async () => {
    const grantId = await openGrant(test)
    const first = await mintToken(alice, { grantId })
    const second = await mintToken(alice, { grantId })
    await revokeToken(alice, { token: first.accessToken })
    expect(await isActive(first.accessToken)).toBe(false)
    expect(await isActive(second.accessToken)).toBe(true)
  })

  it('twice is revoked and audited once', async () => {
    const token = await mintedFor(alice)
    await revokeToken(alice, { token })
    const count = (await auditEntries(test, 'revoke-token')).length
    await revokeToken(alice, { token })
    expect(await revocationsOf(token)).toHaveLength(1)
    expect(await auditEntries(test, 'revoke-token')).toHaveLength(count)
  })

  it("is not somebody else's, which is audited", async () => {
    const token = await mintedFor(alice)
    for (const other of [invoiceBot, test.asPerson('sam@example.com')]) {
      await expect(revokeToken(other, { token })).rejects.toMatchObject({ code: 'invalid_grant' })
    }
    expect(await isActive(token)).toBe(true)
    expect((await auditEntries(test, 'revoke-token')).at(-1)).toMatchObject({
      outcome: 'refused',
      code: 'invalid_grant',
      actor_id: 'sam@example.com',
      subject: 'alice@example.com',
    })
  })

  it('is nobody’s to take back without saying who asks', async () => {
    const token = await mintedFor(alice)
    for (const other of [resource, test.asJob('revoke')]) {
      await expect(revokeToken(other, { token })).rejects.toMatchObject({ code: 'invalid_client' })
    }
  })
})

describe('what is no living token', () => {
  it('is a success and changes nothing: unknown, forged, expired', async () => {
    const token = await mintedFor(alice)
    const [header = '', claims = ''] = token.split('.')
    test.clock.advance(301)
    for (const text of ['', 'nonsense', `${header}.${claims}.AAAA`, token, 'hps_unknown']) {
      await expect(revokeToken(alice, { token: text })).resolves.toBeUndefined()
    }
    expect(await revocationsOf(token)).toEqual([])
  })
})

describe('a session token', () => {
  it('ends when its own subject takes it back', async () => {
    const { accessToken } = await openSession('alice@example.com')
    await revokeToken(alice, { token: accessToken })
    await expect(authenticateSession(test.services, accessToken)).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await expect(revokeToken(alice, { token: accessToken })).resolves.toBeUndefined()
  })

  it('of somebody else goes on, and the attempt is audited', async () => {
    const { accessToken } = await openSession('alice@example.com')
    await expect(revokeToken(invoiceBot, { token: accessToken })).rejects.toMatchObject({
      code: 'invalid_grant',
    })
    expect(await authenticateSession(test.services, accessToken)).toMatchObject({
      id: 'alice@example.com',
    })
  })
})
