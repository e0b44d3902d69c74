import { createHmac, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createVerifier, type VerifyError } from '../../src/verifier/index.ts'
import { audience, encode, issuer, mint, newKey, signature, signJws } from './support/token-mint.ts'
import {
  credential,
  expectRefusal,
  newVerifier,
  readyVerifier,
  refusalOf,
  startBroker,
} from './support/verifiers.ts'

const keys = [newKey('RS256'), newKey('ES256'), newKey('EdDSA')] as const

describe('a good token', () => {
  it.each(keys.map((key) => [key.alg, key] as const))(
    'signed with %s is accepted',
    async (_, key) => {
      const broker = await startBroker(...keys)
      const verifier = await readyVerifier(broker)
      const token = mint(key, { jti: 'jti_1' })
      const access = await verifier.verify(token, { scope: 'invoices:read' })
      expect(access).toMatchObject({
        subject: 'alice@example.com',
        clientId: 'hallpass',
        scopes: ['invoices:read', 'invoices:write'],
        grantId: 'grt_1',
        tokenId: 'jti_1',
        isProofBound: false,
      })
      expect(access.expiresAt.getTime() - access.issuedAt.getTime()).toBe(300_000)
    },
  )

  it('is checked once and then remembered, whatever scope is asked for', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    const first = await verifier.verify(token)
    expect(await verifier.verify(token, { scope: 'invoices:write' })).toBe(first)
    await expectRefusal(verifier, token, 'insufficient_scope', { scope: 'invoices:void' })
    expect(verifier.status().counters).toMatchObject({
      allowedCount: 2,
      refusedCounts: { insufficient_scope: 1 },
      signatureCheckCount: 1,
    })
  })

  it('is accepted by verify() alone, which waits for keys and the first snapshot', async () => {
    const broker = await startBroker()
    const verifier = newVerifier(broker)
    expect(verifier.status()).toMatchObject({ memory: 'lost', keyCount: 0 })
    await verifier.verify(mint(broker.key))
    expect(verifier.status()).toMatchObject({ memory: 'fresh', keyCount: 1 })
    expect(broker.introspections).toEqual([])
  })

  it('needs every scope that is named', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token, { scope: 'invoices:write invoices:read' })
    for (const scope of ['invoices:read invoices:void', 'invoices', '', ' ']) {
      await expectRefusal(verifier, token, 'insufficient_scope', { scope })
    }
  })
})

describe('a token is refused as', () => {
  const [rsa, ec] = keys
  const stranger = newKey('ES256', ec.kid)
  const now = Math.floor(Date.now() / 1000)
  const good = mint(ec)
  const [header = '', payload = '', sealed = ''] = good.split('.')

  it.each([
    ['token_missing', 'is undefined', undefined],
    ['token_missing', 'is empty', ''],
    ['token_malformed', 'is no JWS', 'hps_7gkqjd8rjqkdkq'],
    ['token_malformed', 'has four parts', `${good}.${sealed}`],
    ['token_malformed', 'has a line break', `${good}\n`],
    ['token_malformed', 'is padded', `${good}==`],
    ['token_malformed', 'is in standard base64', `${header}.${payload}.${'+/'.repeat(43)}`],
    ['token_malformed', 'is longer than 8 KiB', mint(ec, { filler: 'x'.repeat(9_000) })],
    ['token_malformed', 'has an array for a header', `${encode('[]')}.${payload}.${sealed}`],
    ['token_malformed', 'demands what nobody understands', mint(ec, {}, { crit: ['exp'] })],
    [
      'token_malformed',
      'has two audiences',
      mint(ec, { aud: [audience, 'https://other.example.com'] }),
    ],
    ['token_malformed', 'has no grant', mint(ec, { grant_id: undefined })],
    ['token_malformed', 'never expires', mint(ec, { exp: undefined })],
    ['token_malformed', 'expires as text', mint(ec, { exp: String(now + 300) })],
    ['token_malformed', 'is bound to a certificate', mint(ec, { cnf: { 'x5t#S256': 'abc' } })],
    ['token_malformed', 'is bound twice', mint(ec, { cnf: { jkt: 'a', 'x5t#S256': 'b' } })],
    ['wrong_type', 'is an ID token', mint(ec, {}, { typ: 'JWT' })],
    ['wrong_type', 'has no type', mint(ec, {}, { typ: undefined })],
    ['signature_invalid', 'is signed by another key of the same name', mint(stranger)],
    ['signature_invalid', 'names no key', mint(ec, {}, { kid: undefined })],
    ['signature_invalid', 'names a key nobody has', mint(newKey())],
    ['signature_invalid', 'names a key by its prototype', mint(ec, {}, { kid: '__proto__' })],
    ['signature_invalid', 'is not signed', mint(ec, {}, { alg: 'none' })],
    ['signature_invalid', 'names another algorithm than its key', mint(ec, {}, { alg: 'ES384' })],
    ['signature_invalid', 'names the algorithm of another key', mint(ec, {}, { alg: 'RS256' })],
    [
      'signature_invalid',
      'has another payload',
      `${header}.${encode(JSON.stringify({ sub: 'bob@example.com' }))}.${sealed}`,
    ],
    ['signature_invalid', 'brings its own key', mint(stranger, {}, { jwk: stranger.jwk })],
    ['wrong_issuer', 'is from elsewhere', mint(ec, { iss: 'https://evil.example.com' })],
    ['wrong_issuer', 'has a slash more', mint(ec, { iss: `${issuer}/` })],
    ['wrong_audience', 'is for another resource', mint(ec, { aud: 'https://other.example.com' })],
    ['wrong_audience', 'is for a longer name', mint(ec, { aud: `${audience}.evil.com` })],
    ['token_expired', 'has ended', mint(ec, { exp: now - 1 })],
    ['token_expired', 'ends in this second', mint(ec, { exp: now })],
    ['token_not_yet_valid', 'begins later', mint(ec, { nbf: now + 60 })],
    ['token_not_yet_valid', 'is issued later', mint(ec, { iat: now + 60 })],
  ] as const)('%s when it %s', async (code, _, token) => {
    const broker = await startBroker(...keys)
    const verifier = await readyVerifier(broker)
    const error = await refusalOf(verifier, token)
    expect(error).toMatchObject({ code, name: 'VerifyError', status: 401 })
    // the second time is judged like the first
    expect((await refusalOf(verifier, token)).code).toBe(code)
    expect(verifier.status().cachedTokenCount).toBe(/expired|not_yet/.test(code) ? 1 : 0)
  })

  it('signature_invalid when the public key was used as a secret', async () => {
    const broker = await startBroker(rsa)
    const verifier = await readyVerifier(broker)
    const text = `${encode(JSON.stringify({ typ: 'at+jwt', alg: 'HS256', kid: rsa.kid }))}.${payload}`
    const secret = JSON.stringify(rsa.jwk)
    const forged = `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
    await expectRefusal(verifier, forged, 'signature_invalid')
  })

  it('token_malformed when the same signature is spelt in another way', async () => {
    const broker = await startBroker(...keys)
    const verifier = await readyVerifier(broker)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = good.at(-1) ?? ''
    const respelt = alphabet[alphabet.indexOf(last) + 1] ?? ''
    const other = good.slice(0, -1) + respelt
    expect(Buffer.from(other.split('.')[2] ?? '', 'base64url')).toEqual(
      Buffer.from(sealed, 'base64url'),
    )
    await expectRefusal(verifier, other, 'token_malformed')
    await verifier.verify(good)
  })

  it('token_malformed when it is no text at all', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    for (const token of [42, {}, [good], Symbol('t')]) {
      // as a caller without types might
      await expectRefusal(verifier, token as never, 'token_malformed')
    }
  })
})

describe('what is tolerated', () => {
  it('a beginning five seconds ahead, and the long name of the type', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const now = Math.floor(Date.now() / 1000)
    await verifier.verify(mint(broker.key, { nbf: now + 4, iat: now + 4 }))
    await verifier.verify(mint(broker.key, {}, { typ: 'application/at+JWT' }))
    await verifier.verify(mint(broker.key, { nbf: undefined }))
  })

  it('the later of nbf and iat counts', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const now = Math.floor(Date.now() / 1000)
    await expectRefusal(
      verifier,
      mint(broker.key, { nbf: now + 60, iat: now }),
      'token_not_yet_valid',
    )
    await expectRefusal(
      verifier,
      mint(broker.key, { nbf: now, iat: now + 60 }),
      'token_not_yet_valid',
    )
  })
})

describe('one verifier', () => {
  it('does not accept what another accepted', async () => {
    const broker = await startBroker()
    const billing = await readyVerifier(broker)
    const stock = await readyVerifier(broker, { audience: 'https://stock.example.com' })
    const token = mint(broker.key)
    await billing.verify(token)
    await expectRefusal(stock, token, 'wrong_audience')
    await billing.verify(token)
  })

  it('ends a token in its second although it is remembered', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const exp = Math.floor(Date.now() / 1000) + 2
    const token = mint(broker.key, { exp })
    await verifier.verify(token)
    while (Date.now() < exp * 1000) {
      const before = Date.now()
      const outcome = await verifier.verify(token).then(
        () => 'accepted',
        (error: VerifyError) => error.code,
      )
      if (before >= exp * 1000) expect(outcome).toBe('token_expired')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await expectRefusal(verifier, token, 'token_expired')
  })

  it('refuses everything once it was stopped', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    await verifier.stop()
    await expectRefusal(verifier, token, 'cannot_decide')
  })
})

describe('createVerifier', () => {
  const whole = { issuer, audience, credential }

  it.each([
    ['an issuer', { ...whole, issuer: '' }],
    ['an issuer that is an address', { ...whole, issuer: 'access.example.com' }],
    ['an audience', { ...whole, audience: ' ' }],
    ['a credential', { issuer, audience }],
    ['a secret', { ...whole, credential: { clientId: 'x', clientSecret: '' } }],
    ['a known way to be cut off', { ...whole, onCutOff: 'accept' as never }],
    ['a known way of revocation', { ...whole, revocation: false as never }],
    ['a broker that is an address', { ...whole, broker: 'localhost:8080' }],
    ['a broker without credentials in its address', { ...whole, broker: 'http://a:b@localhost' }],
    ['a cache with room', { ...whole, cacheCapacity: 0 }],
  ])('refuses to start without %s', (_, options) => {
    expect(() => createVerifier(options as never)).toThrow(TypeError)
  })

  it('does without a credential when revocation: none is written', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, { credential: undefined, revocation: 'none' })
    const token = mint(broker.key)
    await verifier.verify(token)
    broker.revoke('token', 'jti_1')
    await verifier.verify(token)
    expect(verifier.status().memory).toBe('off')
    expect(broker.authorizations).toEqual([])
  })
})

describe('signatures of other kinds', () => {
  it('by a weak RSA key are refused though the broker publishes it', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'weak', alg: 'RS256', use: 'sig' }
    const weak = { kid: 'weak', alg: 'RS256', privateKey, jwk } as const
    const broker = await startBroker(weak, newKey())
    const verifier = await readyVerifier(broker)
    expect(verifier.status().keyCount).toBe(1)
    await expectRefusal(verifier, mint(weak), 'signature_invalid')
  })

  it('are refused when the text that was signed is another', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const header = { typ: 'at+jwt', alg: broker.key.alg, kid: broker.key.kid }
    const token = signJws(broker.key, header, {})
    await expectRefusal(verifier, token, 'token_malformed')
    const [text = ''] = token.split('.')
    const headless = `${text}.${encode('{}')}.${signature(broker.key, text)}`
    await expectRefusal(verifier, headless, 'signature_invalid')
  })
})
