import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

/** A receiver that can be slow to death. */
interface MoodyReceiver {
  readonly arrived: ReadonlyArray<{
    readonly id: string
    readonly requestId: string
    readonly type: string
  }>
  hang(): void
  /** Nothing listens any more. */
  goDown(): void
  recover(): Promise<void>
}

const port = await freePort()
const installation = await useInstallation()
let server: Server
let isHanging = false
const arrived: Array<{ id: string; requestId: string; type: string }> = []
let attempts = 0

function listen(): Promise<void> {
  server = createServer(async (request, response) => {
    attempts += 1
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    if (isHanging) return
    const { type, data } = JSON.parse(Buffer.concat(chunks).toString())
    arrived.push({ id: String(request.headers['webhook-id']), requestId: data.request_id, type })
    response.writeHead(204).end()
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
}

const receiver: MoodyReceiver = {
  arrived,
  hang: () => {
    isHanging = true
  },
  goDown: () => {
    server.closeAllConnections()
    server.close()
  },
  recover: async () => {
    isHanging = false
    receiver.goDown()
    await listen()
  },
}

let broker: BrokerProcess
let alice: Client
let bob: Client

beforeAll(async () => {
  await listen()
  broker = await installation.start({
    environment: {
      HALLPASS_WEBHOOK_URL: `http://127.0.0.1:${port}/`,
      HALLPASS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 4).toString('base64')}`,
    },
  })
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
}, 30_000)

afterAll(() => receiver.goDown())

/** Ask, approve, give back; how long the approval took, in milliseconds. */
async function reviewOnce(): Promise<number> {
  const asked = await alice.post('/v1/requests', {
    role: 'billing-operator',
    duration_seconds: 3600,
    justification: 'void a duplicate invoice',
  })
  const startedAt = performance.now()
  const reviewed = await bob.post(`/v1/requests/${asked.body.id}/reviews`, { verdict: 'approve' })
  const took = performance.now() - startedAt
  expect([reviewed.status, reviewed.body.state]).toEqual([200, 'approved'])
  const minted = await alice.post(`/v1/grants/${reviewed.body.grant_id}/tokens`)
  expect(minted.status).toBe(201)
  await alice.post(`/v1/grants/${reviewed.body.grant_id}/release`)
  return took
}

async function reviewMany(count: number): Promise<{ median: number; worst: number }> {
  const times: number[] = []
  for (let index = 0; index < count; index += 1) times.push(await reviewOnce())
  times.sort((one, other) => one - other)
  return { median: times[Math.floor(count / 2)] ?? 0, worst: times.at(-1) ?? 0 }
}

const waiting = async () => {
  const [row] = await installation.query<{ count: number }>(
    `select count(*)::int as count from outbox_delivery
     where notifier = 'webhook' and state = 'waiting'`,
  )
  return row?.count ?? 0
}

/** Each event at least once, and those of one request in the order in which they happened. */
async function expectAllInOrder(): Promise<void> {
  await until('nothing waits', async () => (await waiting()) === 0, 60)
  const happened = await installation.query<{ id: string; order_key: string }>(
    `select id, order_key from outbox_event order by sequence`,
  )
  const firsts = [...new Map(receiver.arrived.map((event) => [event.id, event])).keys()]
  const place = new Map(firsts.map((id, index) => [id, index]))
  const last = new Map<string, number>()
  for (const { id, order_key } of happened) {
    const at = place.get(id)
    if (at === undefined) throw new Error(`event ${id} never arrived`)
    expect(at).toBeGreaterThan(last.get(order_key) ?? -1)
    last.set(order_key, at)
  }
}

describe('a notification outage', () => {
  let usual: { median: number; worst: number }

  it('is not there at first: events arrive while people decide', async () => {
    await reviewMany(5) // warm
    usual = await reviewMany(25)
    await expectAllInOrder()
  }, 120_000)

  it.each([
    ['hangs', () => receiver.hang()],
    ['is down', () => receiver.goDown()],
  ])(
    'delays no decision when the receiver %s, and every message arrives afterwards, in order',
    async (_, begin) => {
      const before = receiver.arrived.length
      const attemptsBefore = attempts
      begin()
      const during = await reviewMany(25)
      expect(receiver.arrived.length).toBe(before)
      expect(await waiting()).toBeGreaterThan(100)
      if (attempts === attemptsBefore) expect(server.listening).toBe(false)
      // what a person waits for: no timeout of the receiver is in it
      expect(during.median).toBeLessThan(5 * usual.median + 200)
      expect(during.worst).toBeLessThan(5_000)
      await receiver.recover()
      await expectAllInOrder()
    },
    180_000,
  )

  it('leaves nothing given up', async () => {
    const given = await installation.query(
      `select 1 from outbox_delivery where state = 'undeliverable'`,
    )
    expect(given).toEqual([])
    await broker.stop()
  })
})
