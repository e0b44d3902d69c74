import { afterEach, describe, expect, it, vi } from 'vitest'
import type { VerifierEvents } from '../../src/verifier/index.ts'
import { until } from '../support/until.ts'
import { letPass } from './support/clock.ts'
import { mint, newKey } from './support/token-mint.ts'
import { expectRefusal, newVerifier, readyVerifier, startBroker } from './support/verifiers.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a new key', () => {
  it('is found by the first token that it signed', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const changes: VerifierEvents['keys'][] = []
    verifier.on('keys', (change) => changes.push(change))
    letPass(10_001)
    const next = newKey('EdDSA')
    broker.keys = [next, broker.key]
    await verifier.verify(mint(next))
    expect(changes).toEqual([{ added: [next.kid], dropped: [] }])
    await verifier.verify(mint(broker.keys[1] ?? next))
  })

  it('is looked for once, however many tokens name one that nobody has', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    letPass(10_001)
    const stranger = newKey()
    await Promise.all(
      Array.from({ length: 50 }, () =>
        expectRefusal(verifier, mint(newKey('EdDSA')), 'signature_invalid'),
      ),
    )
    await expectRefusal(verifier, mint(stranger), 'signature_invalid')
    expect(broker.keyReadings).toBe(2)
    letPass(20_002)
    await expectRefusal(verifier, mint(stranger), 'signature_invalid')
    expect(broker.keyReadings).toBe(3)
  })

  it('cannot be told from a forger’s while the broker cannot be asked', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    letPass(10_001)
    broker.behaviour.keysStatus = 503
    await expectRefusal(verifier, mint(newKey()), 'cannot_decide')
    await expectRefusal(verifier, mint(newKey()), 'cannot_decide')
    await verifier.verify(mint(broker.key))
    expect(broker.keyReadings).toBe(2)
  })
})

describe('a key that the broker dropped', () => {
  it('ends the tokens that it signed, remembered or not', async () => {
    const broker = await startBroker()
    const [stolen, next] = [broker.key, newKey()]
    const verifier = await readyVerifier(broker)
    const token = mint(stolen)
    await verifier.verify(token)
    broker.keys = [next]
    letPass(10_001)
    await verifier.verify(mint(next))
    await expectRefusal(verifier, token, 'signature_invalid')
    await expectRefusal(verifier, mint(stolen), 'signature_invalid')
  })

  it('does not come back under its old name', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    const replaced = newKey('ES256', broker.key.kid)
    broker.keys = [replaced, newKey()]
    letPass(10_001)
    await verifier.verify(mint(broker.keys[1] ?? replaced))
    await expectRefusal(verifier, token, 'signature_invalid')
    await verifier.verify(mint(replaced))
  })

  it('is dropped when the feed comes back after a break', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    letPass(10_001)
    broker.keys = [newKey()]
    broker.closeStreams()
    await until('the keys are read', () => broker.keyReadings === 2)
    await until('the keys are replaced', () =>
      verifier.verify(token).then(
        () => false,
        () => true,
      ),
    )
    await expectRefusal(verifier, token, 'signature_invalid')
  })
})

describe('the key set', () => {
  it('is read again every four minutes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const broker = await startBroker()
      const verifier = newVerifier(broker, { revocation: 'none' })
      await verifier.ready()
      await vi.advanceTimersByTimeAsync(239_000)
      expect(broker.keyReadings).toBe(1)
      await vi.advanceTimersByTimeAsync(2_000)
      await until('they are read', () => broker.keyReadings === 2)
      await verifier.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  it('leaves out what is not for checking tokens', async () => {
    const broker = await startBroker()
    const usable = broker.key
    const variants = [
      { ...usable.jwk, use: 'enc', kid: 'a' },
      { ...usable.jwk, alg: 'RS256', kid: 'b' },
      { ...usable.jwk, kid: undefined },
      { ...usable.jwk, crv: 'P-521', kid: 'c' },
      { ...usable.jwk, x: 'AAAA', kid: 'd' },
      { kty: 'oct', k: 'AAAA', kid: 'e', alg: 'HS256' },
      { ...usable.privateKey.export({ format: 'jwk' }), kid: 'f' },
      // a second key of the same name
      { ...newKey().jwk, kid: usable.kid },
    ]
    broker.keys = [usable, ...variants.map((jwk) => ({ ...usable, jwk }))]
    const verifier = await readyVerifier(broker)
    expect(verifier.status().keyCount).toBe(1)
    await verifier.verify(mint(usable))
  })

  it('is believed for an hour without the broker, and no longer', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, { revocation: 'none' })
    broker.behaviour.keysStatus = 500
    const exp = Math.floor(Date.now() / 1000) + 7_200
    const token = mint(broker.key, { exp })
    letPass(3_590_000)
    await verifier.verify(token)
    letPass(3_601_000)
    await expectRefusal(verifier, token, 'cannot_decide')
    broker.behaviour.keysStatus = 200
  })

  it('that is none changes nothing', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    letPass(10_001)
    broker.keysBody = '{"keys": 7}'
    await expectRefusal(verifier, mint(newKey()), 'cannot_decide')
    await verifier.verify(token)
  })

  it('may come later than the verifier', async () => {
    const broker = await startBroker()
    broker.behaviour.keysStatus = 503
    const verifier = newVerifier(broker)
    const accepted = verifier.verify(mint(broker.key))
    await until('they were asked for', () => broker.keyReadings > 1)
    broker.behaviour.keysStatus = 200
    await accepted
    await verifier.ready()
  })
})
