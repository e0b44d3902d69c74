import { createPublicKey } from 'node:crypto'
import { sql } from 'drizzle-orm'
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
  SignJWT,
} from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { resumeGrant, revokeGrant, suspendGrant } from '../../src/access/index.ts'
import type { UseObserver } from '../../src/context.ts'
import { createSession } from '../../src/identity/index.ts'
import {
  introspectToken,
  mintToken,
  publishedKeys,
  retireKeys,
  revokeKey,
  rotateKeys,
} from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import { assemble, assembleHmac, resign } from './forge.ts'
import { billing, openGrant, prepare } from './grants.ts'

const test = await useTestServices()
const alice = test.asPerson('alice@example.com')
const bob = test.asPerson('bob@example.com')
const resource = (name: string) =>
  test.as({ kind: 'resource', id: name, via: 'resource_credential' })
const inactive = { active: false }

beforeAll(() => prepare(test))
beforeEach(() => test.clock.advance(7))

function introspect(token: string, scope?: string, name = billing) {
  return introspectToken(resource(name), { token, scope })
}

async function minted(given: Parameters<typeof openGrant>[1] = {}) {
  const grantId = await openGrant(test, given)
  const { accessToken } = await mintToken(alice, { grantId })
  return { grantId, token: accessToken, claims: decodeJwt(accessToken) }
}

describe('a token that is in force', () => {
  it('is active for its own resource, with everything the token says', async () => {
    const { token, claims } = await minted()
    const { token_type, ...answer } = {
      ...claims,
      token_type: 'Bearer',
    }
    const { active, clientId, tokenType, grantId, ...rest } = Object.assign(
      { clientId: '', tokenType: '', grantId: '' },
      await introspect(token),
    )
    expect({ active, tokenType }).toEqual({ active: true, tokenType: token_type })
    expect({ ...rest, client_id: clientId, grant_id: grantId }).toEqual(answer)
  })

  it('is told to resources alone', async () => {
    const { token } = await minted()
    const others = [alice, test.asWorkload('invoice-bot'), test.asOperator(), test.asJob('x')]
    for (const other of others) {
      await expect(introspectToken(other, { token })).rejects.toMatchObject({
        code: 'invalid_client',
      })
    }
  })

  it('is not judged while the clock cannot be trusted', async () => {
    const { token } = await minted()
    const clockMonitor = { isTrusted: () => false, skewSeconds: () => 7200 }
    await expect(
      introspectToken({ ...resource(billing), clockMonitor }, { token }),
    ).rejects.toMatchObject({ code: 'cannot_decide' })
  })

  it('of any algorithm is active, also after its key began to retire', async () => {
    for (const tokenAlgorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
      const operator = { ...test.asOperator(), tokenAlgorithm }
      await rotateKeys(operator, { onlyWhenDue: false })
      await rotateKeys(operator, { onlyWhenDue: false })
      const { token } = await minted()
      expect(decodeProtectedHeader(token).alg).toBe(tokenAlgorithm)
      expect(await introspect(token)).toMatchObject({ active: true })
      await rotateKeys(test.asOperator(), { onlyWhenDue: false })
      expect(await introspect(token)).toMatchObject({ active: true })
    }
  })
})

describe('a token that is over', () => {
  it('is inactive from the very second of its exp', async () => {
    const { token, claims } = await minted()
    test.clock.set(new Date((claims.exp ?? 0) * 1000 - 1))
    expect(await introspect(token)).toMatchObject({ active: true })
    test.clock.advance(0.001)
    expect(await introspect(token)).toEqual(inactive)
    test.clock.advance(1)
    expect(await introspect(token)).toEqual(inactive)
  })

  it('is inactive once its grant was revoked', async () => {
    const { token, grantId } = await minted()
    await revokeGrant(bob, { grantId, reason: 'no longer needed' })
    expect(await introspect(token)).toEqual(inactive)
  })

  it('stays inactive after suspend, and also after resume; a new token is active', async () => {
    const { token, grantId } = await minted()
    await suspendGrant(bob, { grantId, reason: 'a second look' })
    expect(await introspect(token)).toEqual(inactive)
    await resumeGrant(bob, { grantId, reason: 'all is well' })
    expect(await introspect(token)).toEqual(inactive)
    const { accessToken } = await mintToken(alice, { grantId })
    expect(await introspect(accessToken)).toMatchObject({ active: true })
  })

  it('is inactive while its subject is disabled', async () => {
    const { token } = await minted()
    const setDisabled = (isDisabled: boolean) =>
      test.services.database.read((db) =>
        db.execute(sql`update subject set is_disabled = ${isDisabled},
          disabled_at = ${isDisabled ? test.clock.now().toISOString() : null}::timestamptz
          where id = 'alice@example.com'`),
      )
    await setDisabled(true)
    expect(await introspect(token)).toEqual(inactive)
    await setDisabled(false)
    expect(await introspect(token)).toMatchObject({ active: true })
  })

  it.each([
    ['token', (claims: Record<string, unknown>) => claims.jti],
    ['grant', (claims: Record<string, unknown>) => claims.grant_id],
    ['subject', () => 'alice@example.com'],
    ['resource', () => billing],
  ])('is inactive while a %s revocation matches it', async (kind, targetOf) => {
    const { token, claims } = await minted()
    const now = test.clock.now()
    await test.services.database.read((db) =>
      db.execute(sql`insert into revocation (id, kind, target, resource, at, forget_at)
        values (${`rvk_${kind}_${String(claims.jti)}`}, ${kind}, ${String(targetOf(claims))}, null,
                ${now.toISOString()}::timestamptz,
                ${new Date(now.getTime() + 400_000).toISOString()}::timestamptz)`),
    )
    expect(await introspect(token)).toEqual(inactive)
    await test.services.database.read((db) => db.execute(sql`delete from revocation`))
    expect(await introspect(token)).toMatchObject({ active: true })
  })

  it('is inactive once its key was revoked, and the next token is active', async () => {
    const { token, grantId, claims } = await minted()
    const kid = decodeProtectedHeader(token).kid ?? ''
    expect(await introspect(token)).toMatchObject({ active: true })
    const revoked = await revokeKey(test.asOperator(), { kid })
    expect(revoked.tokensRevoked).toBeGreaterThan(0)
    expect(await introspect(token)).toEqual(inactive)
    const { rows } = await test.services.database.read((db) =>
      db.execute<{ kind: string; resource: string }>(
        sql`select kind, resource from revocation where target = ${claims.jti}`,
      ),
    )
    expect(rows).toEqual([{ kind: 'token', resource: billing }])
    const { accessToken } = await mintToken(alice, { grantId })
    expect(decodeProtectedHeader(accessToken).kid).toBe(revoked.activeKid)
    expect(await introspect(accessToken)).toMatchObject({ active: true })
  })

  it('is inactive once its row is gone', async () => {
    const { token, claims } = await minted()
    await test.services.database.read((db) =>
      db.execute(sql`delete from issued_token where jti = ${claims.jti}`),
    )
    expect(await introspect(token)).toEqual(inactive)
  })
})

describe('a token that is foreign', () => {
  it('is inactive for another resource', async () => {
    const { token } = await minted()
    expect(await introspect(token, undefined, 'stock-api')).toEqual(inactive)
    expect(await introspect(token, undefined, 'no-such-resource')).toEqual(inactive)
  })

  it('is inactive when it is a session token of the broker', async () => {
    const session = await test.services.database.transaction((tx) =>
      createSession(tx, test.services, {
        subject: 'alice@example.com',
        via: 'api',
        authenticatedBy: 'development',
      }),
    )
    expect(session.accessToken).toMatch(/^hps_/)
    expect(await introspect(session.accessToken)).toEqual(inactive)
  })

  it('is inactive when another issuer says so, though our key signed it', async () => {
    const { token } = await minted()
    for (const iss of ['https://evil.example.com', `${test.services.issuer}/`, '']) {
      expect(await introspect(await resign(test, token, { claims: { iss } }))).toEqual(inactive)
    }
  })
})

describe('a forged token', () => {
  it('with alg none is inactive, however it is written', async () => {
    const { token, claims } = await minted()
    const { kid } = decodeProtectedHeader(token)
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined]) {
      expect(await introspect(assemble({ alg, kid, typ: 'at+jwt' }, claims))).toEqual(inactive)
      const [, , signature = ''] = token.split('.')
      const kept = assemble({ alg, kid, typ: 'at+jwt' }, claims, () => signature)
      expect(await introspect(kept)).toEqual(inactive)
    }
  })

  it('with HS256 over the public key is inactive, in every form of that key', async () => {
    const { token, claims } = await minted()
    const { kid } = decodeProtectedHeader(token)
    const { keys } = await publishedKeys(test.services)
    const jwk: JWK = { ...keys.find((key) => key.kid === kid) }
    const publicKey = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const secrets = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      publicKey.export({ type: 'pkcs1', format: 'pem' }),
      JSON.stringify(jwk),
      Buffer.from(String(jwk.n), 'base64url'),
    ]
    for (const secret of secrets) {
      const forged = assembleHmac({ alg: 'HS256', kid, typ: 'at+jwt' }, claims, secret)
      expect(await introspect(forged)).toEqual(inactive)
    }
  })

  it('that brings its own key, or names another by kid, is inactive', async () => {
    const { token, claims } = await minted()
    const kid = String(decodeProtectedHeader(token).kid)
    const own = await generateKeyPair('RS256', { extractable: true })
    const jwk = await exportJWK(own.publicKey)
    const headers = [
      { kid },
      { kid, jwk },
      { jwk },
      { kid, jku: 'https://evil.example.com/jwks' },
      { kid, x5u: 'https://evil.example.com/cert' },
      {},
      { kid: '' },
      { kid: "' or 1=1 --" },
      { kid: '../../../../dev/null' },
      { kid: 'x'.repeat(5000) },
      { kid: 'with\u0000zero' },
    ]
    for (const header of headers) {
      const forged = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...header })
        .sign(own.privateKey)
      expect(await introspect(forged), JSON.stringify(header)).toEqual(inactive)
    }
    const unnamed = { alg: 'RS256', typ: 'at+jwt' }
    for (const notText of [1, null, ['x'], { kid }]) {
      expect(await introspect(assemble({ ...unnamed, kid: notText }, claims))).toEqual(inactive)
    }
  })

  it('of the wrong type is inactive, though our key signed it', async () => {
    const { token } = await minted()
    for (const typ of ['JWT', 'at-jwt', 'logout+jwt', 'dpop+jwt', '']) {
      expect(await introspect(await resign(test, token, { header: { typ } })), typ).toEqual(
        inactive,
      )
    }
  })

  it('that marks an unknown header as critical is inactive', async () => {
    const { token, claims } = await minted()
    const header = { ...decodeProtectedHeader(token), crit: ['exp'], exp: 1 }
    const [, , signature = ''] = token.split('.')
    expect(await introspect(assemble(header, claims, () => signature))).toEqual(inactive)
  })

  it('that says other than what was recorded is inactive, though our key signed it', async () => {
    const { token, claims } = await minted()
    const other = await minted()
    const forgeries = [
      { scope: 'invoices:read invoices:write payouts:write' },
      { scope: '' },
      { sub: 'bob@example.com' },
      { client_id: 'invoice-bot' },
      { aud: 'https://stock.example.com' },
      { aud: [String(claims.aud), 'https://stock.example.com'] },
      { exp: (claims.exp ?? 0) + 3600 },
      { grant_id: other.grantId },
      { jti: 'jti_of_nothing' },
      { jti: String(other.claims.jti), grant_id: other.grantId, scope: 'payouts:write' },
      { nbf: (claims.nbf ?? 0) + 60 },
      { exp: String(claims.exp) as unknown as number },
      { iat: 1.5 },
    ]
    expect(await introspect(await resign(test, token, {}))).toMatchObject({ active: true })
    for (const forged of forgeries) {
      const resigned = await resign(test, token, { claims: forged }).catch(() =>
        assemble(decodeProtectedHeader(token), { ...claims, ...forged }),
      )
      expect(await introspect(resigned), JSON.stringify(forged)).toEqual(inactive)
    }
  })

  it('signed by a key that does not sign yet, or no more, is inactive', async () => {
    const { token, claims } = await minted()
    const before = (await publishedKeys(test.services)).keys.map(({ kid }) => kid)
    const current = decodeProtectedHeader(token).kid
    const next = before.find((kid) => kid !== current)
    const early = await resign(
      test,
      assemble({ alg: 'RS256', kid: next, typ: 'at+jwt' }, claims),
      {},
    )
    expect(await introspect(early)).toEqual(inactive)
    await rotateKeys(test.asOperator(), { onlyWhenDue: false })
    const late = await resign(test, token, { claims: { exp: (claims.exp ?? 0) + 3600 } })
    test.clock.advance(301)
    await retireKeys(test.asJob('retire-keys'))
    expect(await introspect(late)).toEqual(inactive)
  })

  it('that was cut, padded or joined is inactive', async () => {
    const { token } = await minted()
    const [header = '', claims = '', signature = ''] = token.split('.')
    const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
    const broken = [
      '',
      '.',
      '..',
      'null',
      header,
      `${header}.${claims}`,
      `${header}.${claims}.`,
      `${header}.${claims}.${flipped}`,
      `${token}.${signature}`,
      ` ${token}`,
      `${token}\n`,
      `${header}..${signature}`,
      `Bearer ${token}`,
      `${'a'.repeat(1_000_000)}.b.c`,
    ]
    for (const text of broken) expect(await introspect(text), text.slice(0, 40)).toEqual(inactive)
  })
})

describe('the scope about to be enforced', () => {
  function observed() {
    const uses: unknown[] = []
    const useObserver: UseObserver = { observeMint: () => {}, observeUse: (use) => uses.push(use) }
    return { uses, ctx: { ...resource(billing), useObserver } }
  }

  it('counts as use of that scope when the token has it', async () => {
    const { token, grantId } = await minted()
    const { uses, ctx } = observed()
    await introspectToken(ctx, { token, scope: 'invoices:read' })
    const at = test.clock.now()
    expect(uses).toEqual([{ grantId, scope: 'invoices:read', at }])
  })

  it('counts each of several, and counts none named as use of the grant', async () => {
    const { token, grantId } = await minted()
    const { uses, ctx } = observed()
    await introspectToken(ctx, { token, scope: 'invoices:write invoices:read' })
    await introspectToken(ctx, { token })
    const at = test.clock.now()
    expect(uses).toEqual([
      { grantId, scope: 'invoices:write', at },
      { grantId, scope: 'invoices:read', at },
      { grantId, scope: undefined, at },
    ])
  })

  it('that the token lacks leaves it active and counts as nothing', async () => {
    const { token } = await minted()
    const { uses, ctx } = observed()
    const answer = await introspectToken(ctx, { token, scope: 'invoices:read payouts:write' })
    expect(answer).toMatchObject({ active: true, scope: 'invoices:read invoices:write' })
    expect(uses).toEqual([])
  })

  it('counts nothing when the token is inactive', async () => {
    const { token, grantId } = await minted()
    await revokeGrant(bob, { grantId, reason: 'no longer needed' })
    const { uses, ctx } = observed()
    await introspectToken(ctx, { token, scope: 'invoices:read' })
    expect(uses).toEqual([])
  })
})
