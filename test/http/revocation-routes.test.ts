import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Client, call, signIn } from '../support/client.ts'
import { EventReader } from '../support/event-reader.ts'
import { until } from '../support/until.ts'

const broker = useTestBroker()
let alice: Client
let bob: Client
let credential: { client_id: string; client_secret: string }

function basic({ client_id, client_secret } = credential): Record<string, string> {
  return {
    Authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
  }
}

async function heldGrant(): Promise<{ id: string; token: string }> {
  const asked = await alice.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: 600,
    justification: 'look at one invoice',
  })
  const minted = await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
  return { id: asked.body.grant_id, token: minted.body.access_token }
}

const stream = () => EventReader.open(`${broker.url}/v1/revocations/stream`, basic())
const poll = (headers: Record<string, string> = {}, query = '') =>
  call(`${broker.url}/v1/revocations${query}`, { headers: { ...basic(), ...headers } })

beforeAll(async () => {
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
  credential = (await bob.post('/v1/resources/billing-api/credentials')).body
})

describe('the revocation stream', () => {
  it('begins with the whole live set, then tells each revocation and a heartbeat every second', async () => {
    const before = await heldGrant()
    await bob.post(`/v1/grants/${before.id}/revoke`, { reason: 'no longer needed' })
    const reader = await stream()
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream')
    expect(reader.response.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(reader.response.headers.get('x-accel-buffering')).toBe('no')
    const first = await reader.next(({ event }) => event === 'snapshot')
    expect(reader.events[0]).toBe(first)
    expect(first.data).toMatchObject({ when_cut_off: 'refuse', as_of: expect.any(String) })
    expect(first.data.revocations.map(({ target }: { target: string }) => target)).toContain(
      before.id,
    )

    const after = await heldGrant()
    await bob.post(`/v1/grants/${after.id}/revoke`, { reason: 'no longer needed' })
    const told = await reader.next(
      ({ event, data }) => event === 'revoke' && data.target === after.id,
    )
    expect(Object.keys(told.data).sort()).toEqual(['at', 'forget_at', 'id', 'kind', 'target'])
    expect(told.data.kind).toBe('grant')

    const beats = () => reader.events.filter(({ event }) => event === 'heartbeat')
    await until('three heartbeats', () => beats().length >= 3, 6)
    const times = beats().map(({ data }) => Date.parse(data.at))
    expect([...times].sort((a, b) => a - b)).toEqual(times)
    reader.close()
  })

  it('tells a revoked subject as one event, to every resource', async () => {
    const sam = await signIn(broker.url, 'sam@example.com')
    const dana = await signIn(broker.url, 'dana@example.com')
    for (let count = 0; count < 3; count += 1) {
      const asked = await dana.post('/v1/requests', {
        role: 'billing-reader',
        duration_seconds: 600,
        justification: 'look at one invoice',
      })
      await dana.post(`/v1/grants/${asked.body.grant_id}/tokens`)
    }
    const reader = await stream()
    await reader.next(({ event }) => event === 'snapshot')
    const answer = await sam.post('/v1/subjects/dana@example.com/revoke', {
      reason: 'laptop stolen',
    })
    expect(answer.body).toEqual({ grants_revoked: 3 })
    await reader.next(({ event, data }) => event === 'revoke' && data.kind === 'subject')
    await reader.next(({ event }) => event === 'heartbeat')
    const revokes = reader.events.filter(({ event }) => event === 'revoke')
    expect(revokes.map(({ data }) => data.target)).toEqual(['dana@example.com'])
    reader.close()
  })

  it('closes within five seconds of the deletion of its credential', async () => {
    const other = (await bob.post('/v1/resources/billing-api/credentials')).body
    const reader = await EventReader.open(`${broker.url}/v1/revocations/stream`, basic(other))
    await reader.next(({ event }) => event === 'snapshot')
    await bob.delete(`/v1/resources/billing-api/credentials/${other.client_id}`)
    await until('the stream closes', () => reader.isEnded, 5)
  })

  it('closes, and none opens, when its LISTEN connection dies; then goes on with the whole set', async () => {
    const reader = await stream()
    await reader.next(({ event }) => event === 'snapshot')
    // a role may end its own connections, on every Postgres
    const admin = new pg.Client(broker.database.applicationConnection)
    await admin.connect()
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'hallpass-listener' and datname = current_database()`,
    )
    await admin.end()
    await until('the stream closes', () => reader.isEnded, 5)
    const missed = await heldGrant()
    await bob.post(`/v1/grants/${missed.id}/revoke`, { reason: 'while nobody listened' })
    const again = await untilOpen()
    const snapshot = await again.next(({ event }) => event === 'snapshot')
    expect(snapshot.data.revocations.map(({ target }: { target: string }) => target)).toContain(
      missed.id,
    )
    again.close()
  })

  it('is for resources alone', async () => {
    for (const headers of [
      {},
      { Authorization: `Bearer ${alice.token}` },
      basic({ ...credential, client_secret: 'x' }),
    ]) {
      const answer = await call(`${broker.url}/v1/revocations/stream`, { headers })
      expect(answer.status).toBe(401)
      expect((await call(`${broker.url}/v1/revocations`, { headers })).status).toBe(401)
    }
  })
})

async function untilOpen(): Promise<EventReader> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const reader = await stream()
    if (reader.response.status === 200) return reader
    expect(reader.response.status).toBe(503)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the stream did not open again')
}

describe('polling for revocations', () => {
  it('answers the set with an ETag, and 304 while nothing changed', async () => {
    const first = await poll()
    expect(first.status).toBe(200)
    expect(Object.keys(first.body).sort()).toEqual(['as_of', 'revocations'])
    const etag = first.headers.get('etag') ?? ''
    const again = await poll({ 'If-None-Match': etag })
    expect({ status: again.status, body: again.body }).toEqual({ status: 304, body: '' })
    expect(again.headers.get('etag')).toBe(etag)
  })

  it('with `wait` answers as soon as something is revoked', async () => {
    const grant = await heldGrant()
    const etag = (await poll()).headers.get('etag') ?? ''
    const waiting = poll({ 'If-None-Match': etag }, '?wait=20')
    await bob.post(`/v1/grants/${grant.id}/revoke`, { reason: 'no longer needed' })
    const answer = await waiting
    expect(answer.status).toBe(200)
    expect(answer.body.revocations.map(({ target }: { target: string }) => target)).toContain(
      grant.id,
    )
  })

  it('with `wait` gives up with 304 when nothing happens', async () => {
    const etag = (await poll()).headers.get('etag') ?? ''
    expect((await poll({ 'If-None-Match': etag }, '?wait=1')).status).toBe(304)
  })

  it.each(['wait=31', 'wait=-1', 'wait=soon', 'after=1'])('refuses %s', async (query) => {
    expect((await poll({}, `?${query}`)).body.code).toBe('invalid_input')
  })
})

describe('readiness', () => {
  it('names database, migrations, clock, keys, catalog and feed', async () => {
    const answer = await call(`${broker.url}/readyz`)
    expect(answer.status).toBe(200)
    expect(Object.keys(answer.body.checks).sort()).toEqual([
      'catalog',
      'clock',
      'database',
      'feed',
      'keys',
      'migrations',
    ])
  })
})
