import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createVerifier,
  type Verifier,
  VerifyError,
  type VerifyOptions,
} from '../../src/verifier/index.ts'
import { boundTo, prove } from './support/proof-mint.ts'
import { StandInBroker } from './support/stand-in-broker.ts'
import { audience, encode, issuer, mint, newKey, signature, signJws } from './support/token-mint.ts'
import { credential } from './support/verifiers.ts'

const keys = [newKey('RS256'), newKey('ES256'), newKey('EdDSA')] as const
const holder = newKey('ES256')
const stranger = newKey('ES256')
const runs = { numRuns: 400 }
let broker: StandInBroker
let verifier: Verifier
const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)

beforeAll(async () => {
  process.on('unhandledRejection', note)
  broker = await new StandInBroker(...keys).start()
  const options = { issuer, audience, credential, broker: broker.url, activity: false }
  verifier = createVerifier(options)
  await verifier.ready()
})

afterAll(async () => {
  await verifier.stop()
  await broker.stop()
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

/** Whatever it is, the answer is a refusal, and never that it cannot be told. */
async function expectRefused(token: unknown, options: VerifyOptions = {}): Promise<void> {
  const outcome: unknown = await verifier.verify(token as string, options).catch((error) => error)
  if (!(outcome instanceof VerifyError)) throw new Error(`not refused: ${JSON.stringify(outcome)}`)
  expect(outcome.code).not.toBe('cannot_decide')
  expect(outcome.status).toBeGreaterThanOrEqual(401)
  new Headers({ 'WWW-Authenticate': outcome.wwwAuthenticate ?? '' })
}

const anyKey = fc.constantFrom(...keys)
const goodToken = anyKey.map((key) => mint(key))
/** Values that a claim or header might be set to by somebody who hopes. */
const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    '',
    ' ',
    [],
    {},
    1e308,
    '__proto__',
    'constructor',
    'none',
  ),
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
)

describe('never an accept, never an unhandled rejection', () => {
  it('for any text', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc
        .array(fc.base64String({ maxLength: 80 }), { maxLength: 6 })
        .map((parts) => parts.join('.')),
      fc
        .array(fc.jsonValue(), { minLength: 3, maxLength: 3 })
        .map((parts) => parts.map((part) => encode(JSON.stringify(part))).join('.')),
    )
    await fc.assert(
      fc.asyncProperty(text, (token) => expectRefused(token)),
      runs,
    )
  })

  it('for any value', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), (token) => expectRefused(token)),
      runs,
    )
  })

  it('for a good token with any character changed, dropped or added', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n'
    const change = fc.record({
      at: fc.nat(),
      insert: fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 3 }),
      drop: fc.nat(2),
    })
    await fc.assert(
      fc.asyncProperty(goodToken, change, async (token, { at, insert, drop }) => {
        const from = at % token.length
        const changed = token.slice(0, from) + insert + token.slice(from + drop)
        if (changed !== token) await expectRefused(changed)
      }),
      runs,
    )
  })

  it('for a good token with any bit of its signature changed', async () => {
    await fc.assert(
      fc.asyncProperty(goodToken, fc.nat(), async (token, bit) => {
        const [header, payload, sealed = ''] = token.split('.')
        const bytes = Buffer.from(sealed, 'base64url')
        const index = Math.floor(bit / 8) % bytes.length
        bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit % 8))
        await expectRefused(`${header}.${payload}.${bytes.toString('base64url')}`)
      }),
      runs,
    )
  })

  it('for the signature of one token under another’s header or payload', async () => {
    await fc.assert(
      fc.asyncProperty(goodToken, goodToken, fc.nat(6), async (one, other, choice) => {
        const [a, b] = [one.split('.'), other.split('.')]
        const mixed = [0, 1, 2].map((part) => ((choice >> part) & 1 ? a[part] : b[part])).join('.')
        if (mixed !== one && mixed !== other) await expectRefused(mixed)
      }),
      runs,
    )
  })

  it('for any header that a stranger signs', async () => {
    const header = fc.record(
      {
        alg: fc.oneof(
          fc.constantFrom('none', 'None', 'HS256', 'RS256', 'ES256', 'EdDSA'),
          oddValue,
        ),
        kid: fc.oneof(
          anyKey.map(({ kid }) => kid),
          fc.constantFrom('../../dev/null', "' or 1=1"),
          oddValue,
        ),
        typ: fc.oneof(fc.constantFrom('at+jwt', 'JWT', 'dpop+jwt'), oddValue),
        jwk: fc.constantFrom(stranger.jwk, null),
        jku: fc.webUrl(),
        x5c: fc.array(fc.base64String(), { maxLength: 2 }),
        crit: oddValue,
      },
      { requiredKeys: ['alg', 'kid'] },
    )
    await fc.assert(
      fc.asyncProperty(header, async (given) => {
        await expectRefused(mint(stranger, {}, given))
      }),
      runs,
    )
  })

  it('for a header that names another algorithm than its key, well signed', async () => {
    await fc.assert(
      fc.asyncProperty(anyKey, oddValue, async (key, alg) => {
        if (alg !== key.alg) await expectRefused(mint(key, {}, { alg }))
      }),
      runs,
    )
  })

  it('for any claim that the broker would not sign, though it did', async () => {
    const claim = fc.constantFrom(
      'iss',
      'aud',
      'exp',
      'jti',
      'sub',
      'client_id',
      'grant_id',
      'scope',
      'cnf',
    )
    const isAsUsual = (name: string, value: unknown) => {
      if (name === 'iss') return value === issuer
      if (name === 'aud') return value === audience
      if (name === 'exp') return typeof value === 'number' && value * 1000 > Date.now()
      if (name === 'scope') return typeof value === 'string' && value.split(' ').includes('s')
      if (name === 'cnf') return value === undefined
      return typeof value === 'string' && value !== ''
    }
    await fc.assert(
      fc.asyncProperty(anyKey, claim, oddValue, async (key, name, value) => {
        if (isAsUsual(name, value)) return
        await expectRefused(mint(key, { scope: 's', [name]: value }), { scope: 's' })
      }),
      runs,
    )
  })

  it('for a payload that is no object, well signed', async () => {
    await fc.assert(
      fc.asyncProperty(anyKey, fc.jsonValue(), fc.boolean(), async (key, value, isCut) => {
        const header = encode(JSON.stringify({ typ: 'at+jwt', alg: key.alg, kid: key.kid }))
        const json = JSON.stringify(value)
        const text = `${header}.${encode(isCut ? json.slice(0, -1) : json) || 'e30'}`
        await expectRefused(`${text}.${signature(key, text)}`)
      }),
      runs,
    )
  })

  it('for huge tokens, at the price of looking at their length', async () => {
    const size = fc.integer({ min: 8_193, max: 4_000_000 })
    const shape = fc.constantFrom('A', '.', 'eyJ', '=')
    await fc.assert(
      fc.asyncProperty(size, shape, async (length, unit) => {
        const token = unit.repeat(Math.ceil(length / unit.length))
        const startedAt = performance.now()
        await expectRefused(token)
        expect(performance.now() - startedAt).toBeLessThan(100)
      }),
      { numRuns: 50 },
    )
    const nested = `${'['.repeat(3_000)}${']'.repeat(3_000)}`
    await expectRefused(signJws(stranger, { typ: 'at+jwt', alg: 'ES256', kid: nested }, {}))
  })

  it('for any proof that was not made for this request', async () => {
    const method = 'GET'
    const url = 'https://billing.example.com/invoices'
    const claim = fc.constantFrom('htm', 'htu', 'iat', 'ath', 'jti')
    await fc.assert(
      fc.asyncProperty(
        anyKey,
        claim,
        oddValue,
        fc.boolean(),
        async (key, name, value, isHeader) => {
          if (name === 'jti' && typeof value === 'string' && value !== '') return
          const token = mint(key, boundTo(holder))
          const change = { [name]: value }
          const header = isHeader
            ? prove(holder, { method, url, token }, {}, { jwk: value, alg: 'ES256' })
            : prove(holder, { method, url, token }, change)
          await expectRefused(token, { proof: { header, method, url } })
        },
      ),
      runs,
    )
    await fc.assert(
      fc.asyncProperty(anyKey, fc.string({ unit: 'binary' }), async (key, header) => {
        const token = mint(key, boundTo(holder))
        await expectRefused(token, { proof: { header, method, url } })
      }),
      runs,
    )
  })
})

it('and the tokens that all this was made from are accepted', async () => {
  for (const key of keys) await verifier.verify(mint(key), { scope: 'invoices:read' })
})
