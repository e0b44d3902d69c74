import { eq, sql } from 'drizzle-orm'
import { importJWK } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { OperationContext } from '../../src/context.ts'
import { signingKeyTable } from '../../src/database/schema/tokens.ts'
import {
  createSecretBox,
  ensureSigningKeys,
  listKeys,
  publishedKeys,
  retireKeys,
  revokeKey,
  rotateKeys,
  type SigningKey,
} from '../../src/tokens/index.ts'
import { storedKey } from '../../src/tokens/key-store.ts'
import { keyRotationSeconds, keySetMaxAgeSeconds } from '../../src/tokens/signing-key.ts'
import { useTestServices } from '../support/context.ts'
import { auditEntries } from './grants.ts'

const test = await useTestServices()
const job = test.asJob('rotate-keys')
const operator = test.asOperator()

beforeEach(async () => {
  await test.services.database.read((db) => db.execute(sql`delete from signing_key`))
})

function keysOf(ctx: OperationContext = operator): Promise<readonly SigningKey[]> {
  return listKeys(ctx)
}

async function keyIn(state: SigningKey['state']): Promise<SigningKey> {
  const key = (await keysOf()).find((found) => found.state === state)
  if (key === undefined) throw new Error(`there is no ${state} key`)
  return key
}

describe('at the first start', () => {
  it('makes one key that signs and one that will, both published with alg, kid and use', async () => {
    await ensureSigningKeys(job)
    const keys = await keysOf()
    expect(keys.map(({ state }) => state).sort()).toEqual(['active', 'next'])
    const { keys: published } = await publishedKeys(test.services)
    expect(published.map(({ kid }) => kid).sort()).toEqual(keys.map(({ kid }) => kid).sort())
    for (const jwk of published) {
      expect(jwk).toMatchObject({ alg: 'RS256', use: 'sig', kty: 'RSA' })
      expect(Object.keys(jwk).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
      expect(Buffer.from(String(jwk.n), 'base64url')).toHaveLength(256)
    }
  })

  it('makes them once when four replicas start at the same time', async () => {
    await Promise.all([1, 2, 3, 4].map(() => ensureSigningKeys(job)))
    expect((await keysOf()).map(({ state }) => state).sort()).toEqual(['active', 'next'])
  })

  it('changes nothing at the next start', async () => {
    await ensureSigningKeys(job)
    const before = await keysOf()
    await ensureSigningKeys(job)
    expect(await keysOf()).toEqual(before)
  })

  it('keeps no private part in plain text', async () => {
    await ensureSigningKeys(job)
    const { kid } = await keyIn('active')
    const stored = await test.services.database.read((db) => storedKey(db, kid))
    const sealed = stored?.privateSealed?.toString('latin1') ?? ''
    expect(sealed.length).toBeGreaterThan(500)
    for (const word of ['"d"', 'kty', String(stored?.publicJwk.n).slice(0, 20)]) {
      expect(sealed).not.toContain(word)
    }
  })

  it.each(['ES256', 'EdDSA'] as const)('makes %s keys when that is configured', async (alg) => {
    await ensureSigningKeys({ ...job, tokenAlgorithm: alg })
    const { keys } = await publishedKeys(test.services)
    expect(keys.map((jwk) => jwk.alg)).toEqual([alg, alg])
    for (const jwk of keys) expect(await importJWK({ ...jwk }, alg)).toBeDefined()
  })

  it('is refused to people, workloads and resources, and audited', async () => {
    await expect(ensureSigningKeys(test.asPerson('sam@example.com'))).rejects.toMatchObject({
      code: 'not_permitted',
    })
    await expect(keysOf(test.asWorkload('invoice-bot'))).rejects.toMatchObject({
      code: 'not_permitted',
    })
  })
})

describe('when the master key', () => {
  const otherKey = Buffer.alloc(32, 9)

  it('is a wrong one, starting says which variable to mend', async () => {
    await ensureSigningKeys(job)
    const stranger = { ...job, secretBox: createSecretBox({ masterKey: otherKey }) }
    await expect(ensureSigningKeys(stranger)).rejects.toMatchObject({
      code: 'cannot_decide',
      message: expect.stringContaining('HALLPASS_MASTER_KEY'),
    })
  })

  it('is being changed, a start seals every key again, so that the previous one may go', async () => {
    await ensureSigningKeys(job)
    const previousMasterKey = Buffer.alloc(32, 7)
    const changing = createSecretBox({ masterKey: otherKey, previousMasterKey })
    await ensureSigningKeys({ ...job, secretBox: changing })
    const changed = createSecretBox({ masterKey: otherKey })
    await expect(ensureSigningKeys({ ...job, secretBox: changed })).resolves.toBeUndefined()
    await expect(ensureSigningKeys(job)).rejects.toMatchObject({ code: 'cannot_decide' })
  })

  it('fits but a private part was moved to another row, starting refuses', async () => {
    await ensureSigningKeys(job)
    const [active, next] = [await keyIn('active'), await keyIn('next')]
    await test.services.database.read(async (db) => {
      const moved = await storedKey(db, active.kid)
      await db
        .update(signingKeyTable)
        .set({ privateSealed: moved?.privateSealed ?? null })
        .where(eq(signingKeyTable.kid, next.kid))
    })
    await expect(ensureSigningKeys(job)).rejects.toMatchObject({
      message: expect.stringContaining('another row'),
    })
  })
})

describe('a changed algorithm', () => {
  it('replaces the next key, which never signed, and leaves the active one', async () => {
    await ensureSigningKeys(job)
    const [active, next] = [await keyIn('active'), await keyIn('next')]
    await ensureSigningKeys({ ...job, tokenAlgorithm: 'ES256' })
    expect(await keyIn('active')).toMatchObject({ kid: active.kid, algorithm: 'RS256' })
    expect(await keyIn('next')).toMatchObject({ algorithm: 'ES256' })
    expect(await keyIn('retired')).toMatchObject({ kid: next.kid })
  })
})

describe('rotation', () => {
  it('makes the next key sign, lets the old one retire, and publishes another', async () => {
    await ensureSigningKeys(job)
    const [active, next] = [await keyIn('active'), await keyIn('next')]
    const rotation = await rotateKeys(operator, { onlyWhenDue: false })
    expect(rotation).toMatchObject({ activeKid: next.kid, retiringKid: active.kid })
    expect(await keyIn('active')).toMatchObject({ kid: next.kid })
    expect(await keyIn('retiring')).toMatchObject({ kid: active.kid })
    const { keys } = await publishedKeys(test.services)
    expect(keys.map(({ kid }) => kid).sort()).toEqual(
      [active.kid, next.kid, rotation?.nextKid].sort(),
    )
  })

  it('by the job waits for thirty days, and until verifiers have seen the next key', async () => {
    await ensureSigningKeys(job)
    expect(await rotateKeys(job, { onlyWhenDue: true })).toBeNull()
    test.clock.advance(keyRotationSeconds - 1)
    expect(await rotateKeys(job, { onlyWhenDue: true })).toBeNull()
    test.clock.advance(1)
    expect(await rotateKeys(job, { onlyWhenDue: true })).toMatchObject({ isKnownToVerifiers: true })
    expect(await rotateKeys(job, { onlyWhenDue: true })).toBeNull()
  })

  it('by four replicas at once happens once', async () => {
    await ensureSigningKeys(job)
    test.clock.advance(keyRotationSeconds)
    const rotations = await Promise.all(
      [1, 2, 3, 4].map(() => rotateKeys(job, { onlyWhenDue: true })),
    )
    expect(rotations.filter((rotation) => rotation !== null)).toHaveLength(1)
    expect((await keysOf()).map(({ state }) => state).sort()).toEqual([
      'active',
      'next',
      'retiring',
    ])
  })

  it('by an operator says when verifiers may not know the new key yet', async () => {
    await ensureSigningKeys(job)
    test.clock.advance(keySetMaxAgeSeconds - 1)
    expect(await rotateKeys(operator, { onlyWhenDue: false })).toMatchObject({
      isKnownToVerifiers: false,
    })
  })

  it('is refused to a person', async () => {
    await ensureSigningKeys(job)
    await expect(
      rotateKeys(test.asPerson('sam@example.com'), { onlyWhenDue: false }),
    ).rejects.toMatchObject({ code: 'not_permitted' })
  })
})

describe('a retiring key without living tokens', () => {
  it('leaves the key set and loses its private part', async () => {
    await ensureSigningKeys(job)
    const { kid } = await keyIn('active')
    await rotateKeys(operator, { onlyWhenDue: false })
    expect(await retireKeys(job)).toEqual([kid])
    const stored = await test.services.database.read((db) => storedKey(db, kid))
    expect(stored).toMatchObject({ state: 'retired', privateSealed: null })
    const { keys } = await publishedKeys(test.services)
    expect(keys.map((jwk) => jwk.kid)).not.toContain(kid)
    expect(await retireKeys(job)).toEqual([])
  })
})

describe('a leaked key', () => {
  it('that signed is out of the key set at once, and the next one signs', async () => {
    await ensureSigningKeys(job)
    const [active, next] = [await keyIn('active'), await keyIn('next')]
    const revoked = await revokeKey(operator, { kid: active.kid })
    expect(revoked).toEqual({ kid: active.kid, tokensRevoked: 0, activeKid: next.kid })
    const { keys } = await publishedKeys(test.services)
    expect(keys.map(({ kid }) => kid)).not.toContain(active.kid)
    expect(keys).toHaveLength(2)
    expect(await keyIn('active')).toMatchObject({ kid: next.kid })
    expect(await keyIn('revoked')).toMatchObject({ kid: active.kid })
    const entries = await auditEntries(test, 'revoke-key')
    expect(entries.at(-1)).toMatchObject({
      outcome: 'ok',
      actor_kind: 'operator',
      details: { kid: active.kid, state_before: 'active' },
    })
  })

  it('that was to sign next is replaced, and the active one goes on', async () => {
    await ensureSigningKeys(job)
    const [active, next] = [await keyIn('active'), await keyIn('next')]
    const revoked = await revokeKey(operator, { kid: next.kid })
    expect(revoked.activeKid).toBe(active.kid)
    expect((await keyIn('next')).kid).not.toBe(next.kid)
  })

  it('that retires already leaves the others alone', async () => {
    await ensureSigningKeys(job)
    await rotateKeys(operator, { onlyWhenDue: false })
    const before = [await keyIn('active'), await keyIn('next')]
    await revokeKey(operator, { kid: (await keyIn('retiring')).kid })
    expect([await keyIn('active'), await keyIn('next')]).toEqual(before)
  })

  it('is revoked once, and an unknown kid is not found', async () => {
    await ensureSigningKeys(job)
    const { kid } = await keyIn('active')
    await revokeKey(operator, { kid })
    await expect(revokeKey(operator, { kid })).rejects.toMatchObject({ code: 'not_permitted' })
    await expect(revokeKey(operator, { kid: 'no-such-key' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('is revoked by operators alone', async () => {
    await ensureSigningKeys(job)
    const { kid } = await keyIn('active')
    await expect(revokeKey(test.asPerson('sam@example.com'), { kid })).rejects.toMatchObject({
      code: 'not_permitted',
    })
    expect((await keyIn('active')).kid).toBe(kid)
  })
})
