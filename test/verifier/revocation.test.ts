import { afterEach, describe, expect, it, vi } from 'vitest'
import type { VerifierEvents } from '../../src/verifier/index.ts'
import { until } from '../support/until.ts'
import { setWallClockOff } from './support/clock.ts'
import { mint } from './support/token-mint.ts'
import { expectRefusal, newVerifier, readyVerifier, startBroker } from './support/verifiers.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const targets = {
  token: 'jti_1',
  grant: 'grt_1',
  subject: 'alice@example.com',
  resource: 'billing-api',
}

describe('a revocation', () => {
  it.each(Object.entries(targets))(
    'by %s reaches a remembered token in milliseconds',
    async (kind, target) => {
      const broker = await startBroker()
      const verifier = await readyVerifier(broker)
      const token = mint(broker.key, { jti: 'jti_1' })
      await verifier.verify(token)
      const arrived = new Promise<VerifierEvents['revocation']>((resolve) => {
        verifier.on('revocation', resolve)
      })
      const sentAt = performance.now()
      broker.revoke(kind, target)
      expect(await arrived).toMatchObject({ kind, target })
      await expectRefusal(verifier, token, 'token_revoked')
      expect(performance.now() - sentAt).toBeLessThan(1_000)
      await expectRefusal(verifier, mint(broker.key, { jti: 'jti_1' }), 'token_revoked')
      const { revocationLag } = verifier.status().counters
      expect(revocationLag.count).toBe(1)
      expect(revocationLag.maxMilliseconds).toBeLessThan(1_000)
      expect(broker.introspections).toEqual([])
    },
  )

  it('of another token, grant or subject leaves this one alone', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    for (const kind of ['token', 'grant', 'subject']) broker.revoke(kind, 'another')
    await until('they arrived', () => verifier.status().revocationCount === 3)
    await verifier.verify(mint(broker.key))
  })

  it('that was there before the verifier is in its first snapshot', async () => {
    const broker = await startBroker()
    broker.revoke('grant', 'grt_1')
    const verifier = newVerifier(broker)
    await expectRefusal(verifier, mint(broker.key), 'token_revoked')
  })

  it('that a later snapshot lacks is still in force: that replica may be behind', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    broker.revoke('grant', 'grt_1')
    await until('it arrived', () => verifier.status().revocationCount === 1)
    broker.revocations.length = 0
    broker.closeStreams()
    await until('there is a new snapshot', () => verifier.status().counters.snapshotCount === 2)
    await expectRefusal(verifier, token, 'token_revoked')
  })

  it('that came while the stream was broken is in the next snapshot', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    broker.closeStreams()
    await until('the stream is closed', () => broker.openStreamCount === 0)
    broker.revoke('token', String(JSON.parse(payloadText(token)).jti))
    await until('there is a new snapshot', () => verifier.status().counters.snapshotCount === 2)
    await expectRefusal(verifier, token, 'token_revoked')
  })

  it('of a subject is over for tokens that are issued afterwards', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const old = mint(broker.key)
    broker.revoke('subject', 'alice@example.com', 1_500)
    await until('it arrived', () => verifier.status().revocationCount === 1)
    await expectRefusal(verifier, old, 'token_revoked')
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    await verifier.verify(mint(broker.key))
    // one that was refused stays refused
    await expectRefusal(verifier, old, 'token_revoked')
  })
})

describe('the stream', () => {
  it('is given up for anything that is not understood, and begun again with a snapshot', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const broken = [
      'event: revoke\ndata: {"id": "rvk_1", "kind": "planet", "target": "x"}\n\n',
      'event: revoke\ndata: {oh\n\n',
      'event: heartbeat\ndata: {"at": "now"}\n\n',
      'event: snapshot\ndata: {}\n\n',
    ]
    for (const [index, text] of broken.entries()) {
      broker.sendText(text)
      await until(text, () => verifier.status().counters.snapshotCount === index + 2)
    }
    await verifier.verify(mint(broker.key))
    expect(verifier.status().counters.feedLossCount).toBe(broken.length)
  })

  it('may carry events and comments that are not known', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    broker.sendText(': hello\n\nevent: news\ndata: whatever\n\n')
    broker.revoke('grant', 'grt_1')
    await until('it arrived', () => verifier.status().revocationCount === 1)
    expect(verifier.status().counters).toMatchObject({ snapshotCount: 1, feedLossCount: 0 })
  })

  it('is asked for with the credential, form-encoded before it is joined (RFC 6749 §2.3.1)', async () => {
    const broker = await startBroker()
    const credential = { clientId: 'cred:1', clientSecret: 'ä%/+ b' }
    await readyVerifier(broker, { credential })
    const expected = Buffer.from('cred%3A1:%C3%A4%25%2F%2B%20b').toString('base64')
    expect(broker.authorizations).toEqual([`Basic ${expected}`])
  })

  it('is refused with a wrong credential: ready() says so, and it is tried again', async () => {
    const broker = await startBroker()
    broker.behaviour.streamStatus = 401
    broker.behaviour.introspectionStatus = 401
    const verifier = newVerifier(broker)
    const troubles: VerifierEvents['trouble'][] = []
    verifier.on('trouble', (trouble) => troubles.push(trouble))
    await expect(verifier.ready()).rejects.toThrow(/credential/)
    expect(troubles[0]).toMatchObject({ with: 'feed', isCredentialRefused: true })
    await expectRefusal(verifier, mint(broker.key), 'cannot_decide')
    broker.behaviour.streamStatus = 200
    await until('it is fresh', () => verifier.status().memory === 'fresh')
    await verifier.ready()
    await verifier.verify(mint(broker.key))
    expect(JSON.stringify(troubles)).not.toContain('not a secret')
  })

  it('is not hammered when the broker asks for patience', async () => {
    const broker = await startBroker()
    broker.behaviour.streamStatus = 503
    broker.behaviour.retryAfter = '30'
    const verifier = newVerifier(broker)
    await until('it was asked', () => broker.streamsOpened > 0)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(broker.streamsOpened).toBe(1)
    expect(verifier.status().memory).toBe('lost')
  })

  it('keeps to the credential’s address: a redirect is no answer', async () => {
    const elsewhere = await startBroker()
    const broker = await startBroker()
    broker.behaviour.streamStatus = 307
    broker.behaviour.redirectTo = elsewhere.url
    const verifier = newVerifier(broker)
    await until('it was asked', () => broker.streamsOpened > 1)
    expect(elsewhere.streamsOpened).toBe(0)
    expect(verifier.status().memory).toBe('lost')
  })

  it('ends with the verifier', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    expect(broker.openStreamCount).toBe(1)
    await verifier.stop()
    await until('it is closed', () => broker.openStreamCount === 0)
    await expect(verifier.ready()).resolves.toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(broker.streamsOpened).toBe(1)
  })
})

describe('clocks that differ', () => {
  it.each([-120_000, 120_000])(
    'by %i ms between service and broker keep memory fresh and revocation quick',
    async (off) => {
      const broker = await startBroker()
      broker.behaviour.clockOffset = off
      const verifier = await readyVerifier(broker)
      await until('there was a heartbeat', () => {
        const { knownUntil } = verifier.status()
        return knownUntil !== undefined && Math.abs(knownUntil.getTime() - broker.now()) < 1_500
      })
      const token = mint(broker.key, { exp: Math.floor((Date.now() + Math.abs(off)) / 1000) + 300 })
      await verifier.verify(token)
      expect(verifier.status().memory).toBe('fresh')
      broker.revoke('grant', 'grt_1')
      await until('it arrived', () => verifier.status().revocationCount === 1)
      await expectRefusal(verifier, token, 'token_revoked')
      expect(verifier.status().counters.revocationLag.maxMilliseconds).toBeLessThan(1_000)
    },
  )

  it("end a token by the broker's clock when the service's is behind", async () => {
    setWallClockOff(-120_000)
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const now = Math.floor(Date.now() / 1000)
    await expectRefusal(verifier, mint(broker.key, { exp: now - 1 }), 'token_expired')
    // and what begins now has begun
    await verifier.verify(mint(broker.key))
  })

  it("end a token by the service's clock when that is ahead", async () => {
    setWallClockOff(120_000)
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const now = Math.floor(Date.now() / 1000)
    await expectRefusal(verifier, mint(broker.key, { exp: now + 119 }), 'token_expired')
    await verifier.verify(mint(broker.key, { exp: now + 125 }))
  })
})

function payloadText(token: string): string {
  return Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
}
