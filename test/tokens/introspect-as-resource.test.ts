import { sql } from 'drizzle-orm'
import { decodeJwt } from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { revokeGrant, revokeResource, suspendGrant } from '../../src/access/index.ts'
import type { Actor, UseObserver } from '../../src/context.ts'
import { openDatabase } from '../../src/database/index.ts'
import {
  type CreatedCredential,
  createCredential,
  deleteCredential,
  setDisabled,
} from '../../src/identity/index.ts'
import {
  introspectAsResource,
  mintToken,
  revokeKey,
  revokeToken,
  rotateKeys,
} from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import { billing, openGrant, prepare } from './grants.ts'

const test = await useTestServices()
const alice = test.asPerson('alice@example.com')
const bob = test.asPerson('bob@example.com')
const inactive = { active: false }
const unauthenticated = { code: 'unauthenticated' }

let credential: CreatedCredential

beforeAll(async () => {
  await prepare(test)
  credential = await createCredential(bob, { kind: 'resource', name: billing })
})
beforeEach(() => test.clock.advance(7))

function basic({ clientId, clientSecret }: CreatedCredential): string {
  return `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`
}

function introspect(
  token: string,
  given: { credential?: CreatedCredential; scope?: string; admit?: () => Promise<void> } = {},
) {
  const authorization = basic(given.credential ?? credential)
  const admit = given.admit ?? (async () => {})
  return introspectAsResource(test.services, { authorization, token, scope: given.scope }, admit)
}

/** A token that this replica has checked before: the next introspection takes the short way. */
async function knownToken() {
  const grantId = await openGrant(test)
  const { accessToken } = await mintToken(alice, { grantId })
  expect(await introspect(accessToken)).toMatchObject({ active: true })
  return { grantId, token: accessToken }
}

describe('a token that was introspected before', () => {
  it('gets the same answer the second time', async () => {
    const grantId = await openGrant(test)
    const { accessToken } = await mintToken(alice, { grantId })
    const first = await introspect(accessToken)
    expect(first).toMatchObject({ active: true, grantId, jti: decodeJwt(accessToken).jti })
    expect(await introspect(accessToken)).toEqual(first)
  })

  it('is inactive in the very next answer once its grant was revoked', async () => {
    const { token, grantId } = await knownToken()
    await revokeGrant(bob, { grantId, reason: 'no longer needed' })
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive in the very next answer once its grant was suspended', async () => {
    const { token, grantId } = await knownToken()
    await suspendGrant(bob, { grantId, reason: 'a second look' })
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive in the very next answer once it was taken back itself', async () => {
    const { token } = await knownToken()
    await revokeToken(alice, { token })
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive in the very next answer while its subject is disabled', async () => {
    const { token } = await knownToken()
    const disable = (isDisabled: boolean) =>
      test.services.database.transaction((tx) =>
        setDisabled(tx, test.services, 'alice@example.com', isDisabled ? 'left' : null),
      )
    await disable(true)
    expect(await introspect(token)).toEqual(inactive)
    await disable(false)
    expect(await introspect(token)).toMatchObject({ active: true })
  })

  it('is inactive in the very next answer once its key was revoked', async () => {
    const { token } = await knownToken()
    const kid = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
    await rotateKeys(test.asOperator(), { onlyWhenDue: false })
    await revokeKey(test.asOperator(), { kid })
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive from the very second of its exp', async () => {
    const { token } = await knownToken()
    test.clock.set(new Date((decodeJwt(token).exp ?? 0) * 1000 - 1))
    expect(await introspect(token)).toMatchObject({ active: true })
    test.clock.advance(0.001)
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive once it is on record no more', async () => {
    const { token } = await knownToken()
    await test.services.database.read((db) =>
      db.execute(sql`delete from issued_token where jti = ${decodeJwt(token).jti ?? ''}`),
    )
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive for another resource', async () => {
    const { token } = await knownToken()
    const other = await createCredential(bob, { kind: 'resource', name: 'stock-api' })
    expect(await introspect(token, { credential: other })).toEqual(inactive)
  })

  it('is not judged while the clock cannot be trusted', async () => {
    const { token } = await knownToken()
    const clockMonitor = { isTrusted: () => false, skewSeconds: () => 7200 }
    const input = { authorization: basic(credential), token }
    await expect(
      introspectAsResource({ ...test.services, clockMonitor }, input, async () => {}),
    ).rejects.toMatchObject({ code: 'cannot_decide' })
  })

  it('is used by the scopes that the resource names', async () => {
    const { token, grantId } = await knownToken()
    const seen: Parameters<UseObserver['observeUse']>[0][] = []
    const useObserver: UseObserver = {
      observeMint: () => {},
      observeUse: (use) => seen.push(use),
    }
    const input = { authorization: basic(credential), token, scope: 'invoices:read' }
    await introspectAsResource({ ...test.services, useObserver }, input, async () => {})
    expect(seen).toEqual([{ grantId, scope: 'invoices:read', at: test.clock.now() }])
  })
})

describe('whoever brings no live credential of a resource', () => {
  it('is told nothing, known token or not', async () => {
    const { token } = await knownToken()
    const workload = await createCredential(alice, { kind: 'workload', name: 'invoice-bot' })
    const wrong = [
      { ...credential, clientSecret: 'guessed' },
      { ...credential, clientId: 'billing-api~guessed' },
      { ...credential, clientId: 'billing-api\0' },
      { ...credential, clientId: `${credential.clientId} ` },
      workload,
    ]
    for (const presented of wrong) {
      for (const asked of [token, 'never-seen']) {
        await expect(introspect(asked, { credential: presented })).rejects.toMatchObject(
          unauthenticated,
        )
      }
    }
  })

  it('is refused from the very next call once the credential was deleted', async () => {
    const { token } = await knownToken()
    const own = await createCredential(bob, { kind: 'resource', name: billing })
    expect(await introspect(token, { credential: own })).toMatchObject({ active: true })
    const owner = { kind: 'resource', name: billing } as const
    await deleteCredential(bob, { owner, clientId: own.clientId })
    await expect(introspect(token, { credential: own })).rejects.toMatchObject(unauthenticated)
  })

  it('is not counted against the resource it pretends to be', async () => {
    const { token } = await knownToken()
    let admitted = 0
    const admit = async () => {
      admitted += 1
    }
    const guessed = { ...credential, clientSecret: 'guessed' }
    for (const asked of [token, 'never-seen']) {
      await expect(introspect(asked, { credential: guessed, admit })).rejects.toMatchObject(
        unauthenticated,
      )
    }
    expect(admitted).toBe(0)
    await introspect(token, { admit })
    await introspect('never-seen', { admit })
    expect(admitted).toBe(2)
  })
})

it('gives nothing to a resource that is not admitted', async () => {
  const { token } = await knownToken()
  const seen: Actor[] = []
  const input = { authorization: basic(credential), token }
  await expect(
    introspectAsResource(test.services, input, async (resource) => {
      seen.push(resource)
      throw new Error('too many')
    }),
  ).rejects.toThrow('too many')
  expect(seen).toMatchObject([{ kind: 'resource', id: billing }])
})

it('answers many at once, each by its own token and credential', async () => {
  const known = await Promise.all(Array.from({ length: 12 }, knownToken))
  const revoked = known.filter((_, index) => index % 3 === 0)
  for (const { grantId } of revoked) await revokeGrant(bob, { grantId, reason: 'every third' })
  const guessed = { ...credential, clientSecret: 'guessed' }
  const calls = known.flatMap(({ token }) => [
    introspect(token),
    introspect(token, { credential: guessed }).catch(({ code }) => ({ code })),
  ])
  const expected = known.flatMap(({ grantId }, index) => [
    index % 3 === 0 ? inactive : { active: true, grantId },
    unauthenticated,
  ])
  expect(await Promise.all(calls)).toMatchObject(expected)
})

it('is prepared once by a connection, and never behind a transaction pooler', async () => {
  const { token } = await knownToken()
  const input = { authorization: basic(credential), token }
  for (const isPooled of [false, true]) {
    const database = openDatabase(test.database.applicationConnection, {
      maxConnections: 1,
      isPooled,
    })
    const services = { ...test.services, database }
    for (let i = 0; i < 3; i += 1) {
      expect(await introspectAsResource(services, input, async () => {})).toMatchObject({
        active: true,
      })
    }
    const { rows } = await database.read((db) =>
      db.execute(sql`select name from pg_prepared_statements where name <> ''`),
    )
    expect(rows).toEqual(isPooled ? [] : [{ name: 'introspection_facts' }])
    await database.close()
  }
})

it('is inactive in the very next answer once everything on its resource was revoked', async () => {
  const { token } = await knownToken()
  await revokeResource(bob, { resource: billing, reason: 'an incident' })
  expect(await introspect(token)).toEqual(inactive)
})
