import { describe, expect, it } from 'vitest'
import type { VerifierEvents } from '../../src/verifier/index.ts'
import { until } from '../support/until.ts'
import type { StandInBroker } from './support/stand-in-broker.ts'
import { mint } from './support/token-mint.ts'
import { expectRefusal, readyVerifier, startBroker } from './support/verifiers.ts'

const on = { activity: true }
const eventsAt = (broker: StandInBroker) => broker.batches.flatMap(({ events }) => events)

describe('the activity report', () => {
  it('tells of each decision, with what the token and the caller say', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    const request = { method: 'GET', route: '/invoices/{id}', object: 'inv_7', bytesOut: 42 }
    const token = mint(broker.key)
    await verifier.verify(token, { scope: 'invoices:read', request })
    await expectRefusal(verifier, token, 'insufficient_scope', { scope: 'admin', request })
    await expectRefusal(verifier, undefined, 'token_missing', { request })
    await expectRefusal(verifier, `${token}x`, 'token_malformed')
    await verifier.stop()
    const [allowed, denied, missing, malformed] = eventsAt(broker)
    const common = { method: 'GET', route: '/invoices/{id}', object: 'inv_7', bytes_out: 42 }
    const bearer = { grant_id: 'grt_1', subject: 'alice@example.com' }
    expect(allowed).toMatchObject({
      ...common,
      ...bearer,
      outcome: 'allowed',
      status: 200,
      scope: 'invoices:read',
    })
    expect(allowed).not.toHaveProperty('reason')
    expect(denied).toMatchObject({
      ...common,
      ...bearer,
      outcome: 'denied',
      status: 403,
      reason: 'insufficient_scope',
    })
    expect(missing).toMatchObject({
      ...common,
      outcome: 'denied',
      status: 401,
      reason: 'token_missing',
    })
    expect(malformed).toMatchObject({ outcome: 'denied', reason: 'token_malformed', route: '*' })
    for (const event of [missing, malformed]) expect(event).not.toHaveProperty('grant_id')
    expect(Math.abs(Date.parse(String(allowed?.at)) - Date.now())).toBeLessThan(10_000)
  })

  it('counts each of several scopes, under an id of its own', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    await verifier.verify(mint(broker.key), { scope: 'invoices:read invoices:write' })
    await verifier.stop()
    const events = eventsAt(broker)
    expect(events.map(({ scope }) => scope)).toEqual(['invoices:read', 'invoices:write'])
    expect(new Set(events.map(({ id }) => id)).size).toBe(2)
  })

  it('names the run and counts its batches from 1', async () => {
    const broker = await startBroker()
    for (let run = 0; run < 2; run += 1) {
      const verifier = await readyVerifier(broker, on)
      for (let count = 0; count < 1_500; count += 1) await verifier.verify(mintOnce(broker))
      await verifier.stop()
    }
    const runs = new Map<string, number[]>()
    for (const { source, sequence } of broker.batches) {
      runs.set(source, [...(runs.get(source) ?? []), sequence])
    }
    expect(runs.size).toBe(2)
    for (const sequences of runs.values()) {
      expect(sequences).toEqual(sequences.map((_, index) => index + 1))
      expect(sequences.length).toBeGreaterThanOrEqual(2)
    }
    expect(eventsAt(broker)).toHaveLength(3_000)
    expect(new Set(eventsAt(broker).map(({ id }) => id)).size).toBe(3_000)
    for (const { events } of broker.batches) expect(events.length).toBeLessThanOrEqual(1_000)
  })

  it('goes out by itself within seconds', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    await verifier.verify(mint(broker.key))
    await until('it is sent', () => eventsAt(broker).length === 1, 3)
    await until('it is counted', () => verifier.status().activity?.sentCount === 1)
  })

  it('sends the same batch again under the same number until the broker has it', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    broker.behaviour.activityStatus = 503
    await verifier.verify(mint(broker.key))
    await until('it was refused twice', () => broker.activityAttempts.length >= 2)
    broker.behaviour.activityStatus = 200
    await until('it is sent', () => verifier.status().activity?.sentCount === 1)
    expect(new Set(broker.activityAttempts).size).toBe(1)
    expect(verifier.status().activity).toMatchObject({ lostCount: 0, waitingCount: 0 })
  })

  it('is never on the path of a request, and never without bound', async () => {
    const broker = await startBroker()
    broker.behaviour.activityStatus = 503
    const verifier = await readyVerifier(broker, on)
    const token = mint(broker.key)
    const losses: VerifierEvents['activity_lost'][] = []
    verifier.on('activity_lost', (loss) => losses.push(loss))
    for (let count = 0; count < 20_000; count += 1) await verifier.verify(token)
    const { waitingCount, lostCount } = verifier.status().activity ?? {}
    expect(waitingCount).toBeLessThanOrEqual(10_000)
    expect(lostCount).toBeGreaterThanOrEqual(8_000)
    await until('the loss is told', () => losses.length > 0)
    expect(losses[0]?.count).toBe(lostCount)
  })

  it('does not let refusals without a token displace use', async () => {
    const broker = await startBroker()
    broker.behaviour.activityStatus = 503
    const verifier = await readyVerifier(broker, on)
    for (let count = 0; count < 15_000; count += 1) {
      await verifier.verify(undefined).catch(() => undefined)
    }
    const token = mint(broker.key)
    const { lostCount } = verifier.status().activity ?? {}
    for (let count = 0; count < 5_000; count += 1) await verifier.verify(token)
    expect(verifier.status().activity?.lostCount).toBe(lostCount)
  })

  it('that the broker will never take is counted as lost, and the next goes out', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    broker.behaviour.activityStatus = 422
    await verifier.verify(mint(broker.key))
    await until('it is lost', () => verifier.status().activity?.lostCount === 1)
    broker.behaviour.activityStatus = 200
    await verifier.verify(mint(broker.key))
    await until('it is sent', () => verifier.status().activity?.sentCount === 1)
    expect(broker.activityAttempts).toHaveLength(2)
  })

  it('counts what the broker rejects one by one', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    broker.rejectedActivity = [{ index: 0, code: 'not_held', message: 'The grant lacks it.' }]
    for (let count = 0; count < 3; count += 1) await verifier.verify(mint(broker.key))
    await verifier.stop()
    expect(verifier.status().activity).toMatchObject({ sentCount: 2, rejectedCount: 1 })
  })

  it('says at stop what could not be sent, and does not wait for ever', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    broker.behaviour.activityStatus = 503
    for (let count = 0; count < 5; count += 1) await verifier.verify(mint(broker.key))
    const losses: VerifierEvents['activity_lost'][] = []
    verifier.on('activity_lost', (loss) => losses.push(loss))
    const startedAt = performance.now()
    await verifier.stop()
    expect(performance.now() - startedAt).toBeLessThan(6_500)
    expect(losses).toEqual([{ count: 5 }])
  })

  it('is off when it is switched off, and without a credential', async () => {
    const broker = await startBroker()
    const silent = await readyVerifier(broker, { activity: false })
    const anonymous = await readyVerifier(broker, { credential: undefined, revocation: 'none' })
    for (const verifier of [silent, anonymous]) {
      await verifier.verify(mint(broker.key))
      expect(verifier.status().activity).toBeUndefined()
      await verifier.stop()
    }
    expect(broker.batches).toEqual([])
  })
})

describe('decide()', () => {
  it('does not reject for a refusal, and reports once, when it is told to', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker, on)
    const allowed = await verifier.decide(mint(broker.key), { scope: 'invoices:read' })
    const denied = await verifier.decide('x')
    expect(allowed.access?.subject).toBe('alice@example.com')
    expect(denied.error?.code).toBe('token_malformed')
    expect(verifier.status().activity?.waitingCount).toBe(0)
    for (let count = 0; count < 3; count += 1) {
      allowed.report({ method: 'GET', route: '/a', status: 304 })
      denied.report({ method: 'GET', route: '/b' })
    }
    await verifier.stop()
    const [first, second, ...more] = eventsAt(broker)
    expect(more).toEqual([])
    expect(first).toMatchObject({ route: '/a', status: 304, outcome: 'allowed' })
    expect(first?.duration_ms).toBeGreaterThanOrEqual(0)
    expect(second).toMatchObject({ route: '/b', status: 401, outcome: 'denied' })
  })

  it('and verify() reject with TypeError when they are called wrongly', async () => {
    const broker = await startBroker()
    const verifier = await readyVerifier(broker)
    const wrong = { scope: 7 as never }
    await expect(verifier.verify(mint(broker.key), wrong)).rejects.toThrow(TypeError)
    await expect(verifier.decide(mint(broker.key), wrong)).rejects.toThrow(TypeError)
  })
})

let kept: { readonly broker: StandInBroker; readonly token: string } | undefined

/** Signing costs more than checking. */
function mintOnce(broker: StandInBroker): string {
  if (kept?.broker !== broker) kept = { broker, token: mint(broker.key) }
  return kept.token
}
