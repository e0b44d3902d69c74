import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Verifier } from '../../src/verifier/index.ts'
import { boundTo, prove, thumbprint } from './support/proof-mint.ts'
import { mint, newKey } from './support/token-mint.ts'
import { expectRefusal, readyVerifier, refusalOf, startBroker } from './support/verifiers.ts'

const method = 'POST'
const url = 'https://billing.example.com/invoices/7'
const holder = newKey('ES256')

async function setUp() {
  const broker = await startBroker()
  const verifier = await readyVerifier(broker)
  const token = mint(broker.key, boundTo(holder))
  const present = (header: string | undefined) => ({ proof: { header, method, url } })
  const good = () => prove(holder, { method, url, token })
  return { broker, verifier, token, present, good }
}

async function expectProofFault(
  verifier: Verifier,
  token: string,
  options: Parameters<Verifier['verify']>[1],
): Promise<void> {
  const error = await refusalOf(verifier, token, options)
  expect(error).toMatchObject({ code: 'proof_invalid', status: 401 })
  expect(error.wwwAuthenticate).toMatch(/^DPoP error="invalid_dpop_proof", .*algs="ES256 /)
}

describe('a bound token', () => {
  it.each(['ES256', 'RS256', 'EdDSA'] as const)('is accepted with an %s proof', async (alg) => {
    const { broker, verifier, present } = await setUp()
    const key = newKey(alg)
    const token = mint(broker.key, boundTo(key))
    const access = await verifier.verify(token, {
      ...present(prove(key, { method, url, token })),
      scope: 'invoices:read',
    })
    expect(access).toMatchObject({ isProofBound: true, subject: 'alice@example.com' })
  })

  it('knows the thumbprint of RFC 7638 §3.1', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
    const jwk = { kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' }
    const key = { ...newKey('RS256'), jwk }
    expect(thumbprint(key)).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  })

  it('is refused as a bearer token, and told how to come back', async () => {
    const { verifier, token } = await setUp()
    const error = await refusalOf(verifier, token)
    expect(error.code).toBe('proof_invalid')
    expect(error.wwwAuthenticate).toMatch(/^DPoP error="invalid_token"/)
  })

  it('is refused without a proof, with two, and with anything else', async () => {
    const { verifier, token, present, good } = await setUp()
    await expectProofFault(verifier, token, present(undefined))
    await expectProofFault(verifier, token, present(''))
    await expectProofFault(verifier, token, present(`${good()}, ${good()}`))
    await expectProofFault(verifier, token, present(token))
  })

  it.each([
    ['for another method', { htm: 'GET' }, {}],
    ['for a method in another case', { htm: 'post' }, {}],
    ['for another path', { htu: 'https://billing.example.com/invoices/8' }, {}],
    ['for another host', { htu: 'https://billing.example.com.evil.com/invoices/7' }, {}],
    ['for another port', { htu: 'https://billing.example.com:8443/invoices/7' }, {}],
    ['for another scheme', { htu: 'http://billing.example.com/invoices/7' }, {}],
    ['for no address', { htu: 'invoices/7' }, {}],
    ['for another token', { ath: 'x'.repeat(43) }, {}],
    ['for no token', { ath: undefined }, {}],
    ['made a minute ago', { iat: Math.floor(Date.now() / 1000) - 61 }, {}],
    ['made in ten minutes', { iat: Math.floor(Date.now() / 1000) + 600 }, {}],
    ['made at no time', { iat: '1' }, {}],
    ['without an identifier', { jti: undefined }, {}],
    ['with an empty identifier', { jti: '' }, {}],
    ['with an endless identifier', { jti: 'x'.repeat(600) }, {}],
    ['of another type', {}, { typ: 'JWT' }],
    ['with a key by name', {}, { jwk: undefined, kid: 'x' }],
    ['without an algorithm', {}, { alg: 'none' }],
    ['with a secret for a key', {}, { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }],
    ['with an algorithm of another kind', {}, { alg: 'RS256' }],
    ['that gives its private key away', {}, { jwk: holder.privateKey.export({ format: 'jwk' }) }],
    ['that demands what nobody understands', {}, { crit: ['b64'], b64: false }],
  ])('is refused with a proof %s', async (_, claims, header) => {
    const { verifier, token, present } = await setUp()
    const proof = prove(holder, { method, url, token }, claims, header)
    await expectProofFault(verifier, token, present(proof))
  })

  it("is refused with somebody else's proof", async () => {
    const { verifier, token, present } = await setUp()
    const thief = newKey('ES256')
    await expectProofFault(verifier, token, present(prove(thief, { method, url, token })))
    const claimed = prove(thief, { method, url, token }, {}, { jwk: holder.jwk })
    await expectProofFault(verifier, token, present(claimed))
  })

  it('is refused with a proof by a weak key that it is bound to', async () => {
    const { broker, verifier, present } = await setUp()
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const jwk = publicKey.export({ format: 'jwk' })
    const weak = { kid: 'w', alg: 'RS256', privateKey, jwk: { ...jwk } } as const
    const token = mint(broker.key, boundTo(weak))
    await expectProofFault(verifier, token, present(prove(weak, { method, url, token })))
  })

  it('needs a new proof for every request, and one request may show its proof twice', async () => {
    const { verifier, token, present, good } = await setUp()
    const header = good()
    const proof = { header, method, url, request: {} }
    await verifier.verify(token, { proof })
    await verifier.verify(token, { proof })
    await expectProofFault(verifier, token, present(header))
    await expectProofFault(verifier, token, { proof: { ...proof, request: {} } })
    await verifier.verify(token, present(good()))
  })

  it('lets one of many simultaneous requests with one proof pass', async () => {
    const { verifier, token, present, good } = await setUp()
    const shown = present(good())
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => verifier.verify(token, shown)),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('is compared by address as a URL parser reads it, without query and fragment', async () => {
    const { verifier, token } = await setUp()
    const shown = (htu: string, actual: string) => ({
      proof: { header: prove(holder, { method, url: htu, token }), method, url: actual },
    })
    await verifier.verify(
      token,
      shown('HTTPS://Billing.example.com:443/a/../b', `https://billing.example.com/b?x=1#y`),
    )
    await verifier.verify(
      token,
      shown('http://[::1]:8080/b?z=2', 'http://[0:0:0:0:0:0:0:1]:8080/b'),
    )
  })
})

it('a token that is bound to no key is refused with the scheme DPoP', async () => {
  const { broker, verifier, present } = await setUp()
  const token = mint(broker.key)
  await expectRefusal(
    verifier,
    token,
    'proof_invalid',
    present(prove(holder, { method, url, token })),
  )
})
