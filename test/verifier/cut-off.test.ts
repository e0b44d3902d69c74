import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Verifier, VerifierEvents } from '../../src/verifier/index.ts'
import { until } from '../support/until.ts'
import { blockEventLoop, letPass } from './support/clock.ts'
import type { StandInBroker } from './support/stand-in-broker.ts'
import { startBrokerInThread } from './support/threaded-broker.ts'
import { mint, newKey } from './support/token-mint.ts'
import {
  expectRefusal,
  newVerifier,
  readyVerifier,
  refusalOf,
  startBroker,
} from './support/verifiers.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** A verifier whose stream is open and says nothing any more. */
async function staleVerifier(broker: StandInBroker, options = {}): Promise<Verifier> {
  const verifier = await readyVerifier(broker, options)
  broker.behaviour.sendsHeartbeats = false
  broker.behaviour.streamStatus = 503
  broker.closeStreams()
  await until('the stream is closed', () => broker.openStreamCount === 0)
  letPass(5_500)
  await until('memory is stale', () => verifier.status().memory === 'stale')
  return verifier
}

describe('stale memory', () => {
  it('is fresh until 5 s after the last word, in real time, and tells of it', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const changes: VerifierEvents['memory'][] = []
    verifier.on('memory', (change) => changes.push(change))
    const startedAt = performance.now()
    broker.behaviour.sendsHeartbeats = false
    broker.behaviour.streamStatus = 503
    await until('memory is stale', () => verifier.status().memory === 'stale')
    const seconds = (performance.now() - startedAt) / 1000
    expect(seconds).toBeGreaterThan(3.5)
    expect(seconds).toBeLessThan(6)
    broker.behaviour.sendsHeartbeats = true
    broker.behaviour.streamStatus = 200
    await until('memory is fresh', () => verifier.status().memory === 'fresh')
    expect(changes).toEqual([
      { from: 'fresh', to: 'stale' },
      { from: 'stale', to: 'fresh' },
    ])
  })

  it('is lost after 60 s', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    letPass(61_000)
    await until('memory is lost', () => verifier.status().memory === 'lost')
    await verifier.verify(mint(broker.key))
  })

  it('asks, with the scope that is about to be enforced', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token, { scope: 'invoices:read' })
    const [asked] = broker.introspections
    expect(asked?.get('token')).toBe(token)
    expect(asked?.get('scope')).toBe('invoices:read')
    await verifier.verify(token)
    expect(broker.introspections[1]?.has('scope')).toBe(false)
    expect(verifier.status()).toMatchObject({
      isCutOff: false,
      counters: { introspectionCount: 2 },
    })
  })

  it('asks once for a token that many wait for', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    broker.behaviour.introspectionDelay = 200
    const [token, other] = [mint(broker.key), mint(broker.key)]
    const calls = Array.from({ length: 100 }, () => verifier.verify(token))
    await Promise.all([...calls, verifier.verify(other)])
    expect(broker.introspections).toHaveLength(2)
  })

  it('learns of a revocation by asking, and remembers it', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    broker.isActive = () => false
    await expectRefusal(verifier, token, 'token_revoked')
    broker.isActive = () => true
    await expectRefusal(verifier, token, 'token_revoked')
    await verifier.verify(mint(broker.key))
  })

  it('does not ask about what is refused anyway', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    const past = Math.floor(Date.now() / 1000) - 60
    await expectRefusal(verifier, mint(broker.key, { exp: past }), 'token_expired')
    await expectRefusal(
      verifier,
      mint(broker.key, { aud: 'https://x.example.com' }),
      'wrong_audience',
    )
    expect(broker.introspections).toEqual([])
  })

  it('does not let an answer that was on its way undo a revocation', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    const token = mint(broker.key)
    broker.behaviour.introspectionDelay = 400
    broker.isActive = () => true
    const asking = refusalOf(verifier, token)
    await until('it is asked', () => broker.introspections.length === 1)
    broker.revoke('grant', 'grt_1')
    broker.behaviour.streamStatus = 200
    expect((await asking).code).toBe('token_revoked')
    await expectRefusal(verifier, token, 'token_revoked')
  })

  it('is no reason to ask when the sockets hold news that a busy service has not read', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    const changes: unknown[] = []
    verifier.on('memory', (change) => changes.push(change))
    broker.behaviour.sendsHeartbeats = false
    await pause(50)
    letPass(10_000)
    // sent before the service comes round to reading, as by a broker in another process
    broker.heartbeat(Date.now() + 10_000)
    blockEventLoop(600)
    await verifier.verify(token)
    await pause(600)
    expect(broker.introspections).toEqual([])
    expect(changes).toEqual([])
    expect(verifier.status().memory).toBe('fresh')
  })
})

describe('a verifier that is cut off', () => {
  it('waits for 3 s, then refuses at once with 503 where the resource says refuse', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    const token = mint(broker.key)
    await broker.stop()
    const startedAt = performance.now()
    const error = await refusalOf(verifier, token)
    expect(error).toMatchObject({ code: 'cannot_decide', status: 503, wwwAuthenticate: undefined })
    expect(error.bearer?.subject).toBe('alice@example.com')
    const waited = performance.now() - startedAt
    expect(waited).toBeGreaterThan(2_500)
    expect(waited).toBeLessThan(4_500)
    const againAt = performance.now()
    for (let count = 0; count < 20; count += 1)
      await expectRefusal(verifier, token, 'cannot_decide')
    expect(performance.now() - againAt).toBeLessThan(1_000)
    expect(verifier.status()).toMatchObject({
      whenCutOff: 'refuse',
      isCutOff: true,
      isAcceptingUntilExpiry: false,
    })
  })

  it('accepts until expiry, at once, where the resource says so, and shows it', async () => {
    const broker = await startBroker()
    broker.behaviour.whenCutOff = 'accept_until_expiry'
    const verifier = await staleVerifier(broker)
    const token = mint(broker.key)
    await broker.stop()
    for (let count = 0; count < 20; count += 1) await verifier.verify(token)
    const past = Math.floor(Date.now() / 1000) - 1
    await expectRefusal(verifier, mint(broker.key, { exp: past }), 'token_expired')
    await expectRefusal(verifier, token, 'insufficient_scope', { scope: 'x' })
    expect(verifier.status()).toMatchObject({
      whenCutOff: 'accept_until_expiry',
      isCutOff: true,
      isAcceptingUntilExpiry: true,
      counters: { acceptedWhileCutOffCount: 20 },
    })
    expect(verifier.status().counters.introspectionCount).toBeLessThan(5)
  })

  it('never accepts what it knows to be revoked', async () => {
    const broker = await startBroker()
    broker.behaviour.whenCutOff = 'accept_until_expiry'
    broker.revoke('grant', 'grt_1')
    const verifier = await staleVerifier(broker)
    await broker.stop()
    await expectRefusal(verifier, mint(broker.key), 'token_revoked')
    await verifier.verify(mint(broker.key, { grant_id: 'grt_2' }))
  })

  it.each([
    ['refuse', 'accept_until_expiry'],
    ['accept_until_expiry', 'refuse'],
  ] as const)('does what the service says (%s) over the resource (%s)', async (onCutOff, said) => {
    const broker = await startBroker()
    broker.behaviour.whenCutOff = said
    const verifier = await staleVerifier(broker, { onCutOff })
    broker.behaviour.introspectionStatus = 503
    const outcome = verifier.verify(mint(broker.key)).then(
      () => 'accept_until_expiry',
      () => 'refuse',
    )
    expect(await outcome).toBe(onCutOff)
  })

  it('refuses when the broker never said what to do', async () => {
    const broker = await startBroker()
    broker.behaviour.streamStatus = 503
    broker.behaviour.introspectionStatus = 503
    const verifier = newVerifier(broker)
    await expectRefusal(verifier, mint(broker.key), 'cannot_decide')
  })

  it('asks again by itself, and is back when the broker is', async () => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker)
    const token = mint(broker.key)
    broker.behaviour.introspectionStatus = 503
    await expectRefusal(verifier, token, 'cannot_decide')
    broker.behaviour.introspectionStatus = 200
    await until('it accepts', () =>
      verifier.verify(token).then(
        () => true,
        () => false,
      ),
    )
    expect(verifier.status()).toMatchObject({ memory: 'stale', isCutOff: false })
    broker.behaviour.streamStatus = 200
    broker.behaviour.sendsHeartbeats = true
    await until('memory is fresh', () => verifier.status().memory === 'fresh')
  })

  it.each([
    [
      'nonsense',
      (broker: StandInBroker) => {
        broker.isActive = () => 'yes' as never
      },
    ],
    [
      'a fault',
      (broker: StandInBroker) => {
        broker.behaviour.introspectionStatus = 500
      },
    ],
    [
      'a refusal',
      (broker: StandInBroker) => {
        broker.behaviour.introspectionStatus = 401
      },
    ],
  ])('takes %s for no answer', async (_, spoil) => {
    const broker = await startBroker()
    const verifier = await staleVerifier(broker, { onCutOff: 'accept_until_expiry' })
    spoil(broker)
    await verifier.verify(mint(broker.key))
    expect(verifier.status()).toMatchObject({
      isAcceptingUntilExpiry: true,
      counters: { acceptedWhileCutOffCount: 1 },
    })
  })
})

describe('a broker that disappears', () => {
  it('and comes back within 4 s, under load, makes no verifier refuse a valid call', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const tokens = Array.from({ length: 20 }, () => mint(broker.key))
    // the worst moment: just before the next heartbeat
    broker.behaviour.heartbeatMilliseconds = 2_000
    broker.closeStreams()
    await until('there is a new stream', () => verifier.status().counters.snapshotCount === 2)
    await pause(1_950)
    let isOver = false
    let count = 0
    const load = tokens.map(async (token) => {
      while (!isOver) {
        await verifier.verify(token)
        count += 1
        await pause(5)
      }
    })
    await broker.stop()
    await pause(3_900)
    await broker.start()
    await pause(1_500)
    isOver = true
    await Promise.all(load)
    expect(count).toBeGreaterThan(100)
    expect(verifier.status()).toMatchObject({ memory: 'fresh', counters: { refusedCounts: {} } })
  })

  it('behind a black hole is not believed for longer than 5 s, and nobody waits for it for ever', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    broker.behaviour.isSilent = true
    const revokedAt = performance.now()
    broker.revocations.push({ ...broker.revoke('grant', 'not told'), target: 'grt_1' })
    let lastAccepted = 0
    let longestWait = 0
    while (performance.now() - revokedAt < 10_000) {
      const askedAt = performance.now()
      const isAccepted = await verifier.verify(token).then(
        () => true,
        () => false,
      )
      if (isAccepted) lastAccepted = askedAt
      longestWait = Math.max(longestWait, performance.now() - askedAt)
      await pause(20)
    }
    expect(lastAccepted - revokedAt).toBeLessThan(5_000)
    expect(lastAccepted - revokedAt).toBeGreaterThan(2_000)
    expect(longestWait).toBeLessThan(3_500)
    broker.behaviour.isSilent = false
    await until(
      'it is told',
      async () => (await refusalOf(verifier, token)).code === 'token_revoked',
    )
  })

  it('behind a proxy that holds the stream back is asked for each token', async () => {
    const broker = await startBroker()
    broker.behaviour.holdsStreams = true
    const verifier = newVerifier(broker)
    const token = mint(broker.key)
    await verifier.verify(token)
    broker.revoke('grant', 'grt_1')
    await expectRefusal(verifier, token, 'token_revoked')
    expect(verifier.status().memory).toBe('lost')
  })
})

describe('a service that is blocked for seconds', () => {
  it('does not believe itself cut off when it comes back', async () => {
    const key = newKey()
    const broker = await startBrokerInThread(key)
    const verifier = newVerifier(broker)
    await verifier.ready()
    const token = mint(key)
    await verifier.verify(token)
    const changes: unknown[] = []
    verifier.on('memory', (change) => changes.push(change))
    for (const milliseconds of [6_500, 100]) {
      blockEventLoop(milliseconds)
      await verifier.verify(token)
      await pause(500)
    }
    expect(changes).toEqual([])
    expect(verifier.status().memory).toBe('fresh')
    expect(verifier.status().counters).toMatchObject({ introspectionCount: 0, snapshotCount: 1 })
  })

  it('has heard of a revocation when it comes back', async () => {
    const key = newKey()
    const broker = await startBrokerInThread(key)
    const verifier = newVerifier(broker)
    await verifier.ready()
    const token = mint(key)
    await verifier.verify(token)
    await broker.revokeIn(1_000)
    blockEventLoop(6_000)
    await expectRefusal(verifier, token, 'token_revoked')
  })
})
