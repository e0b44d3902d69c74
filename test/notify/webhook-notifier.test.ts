import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createOutbox,
  createWebhookNotifier,
  DeliveryFailure,
  type Notifier,
  type OutboxEvent,
  outboxStatus,
} from '../../src/notify/index.ts'
import { useTestServices } from '../support/context.ts'
import { until } from '../support/until.ts'
import { type Receiver, startReceiver } from './receiver.ts'
import { emit } from './recorder.ts'

const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
const other = `whsec_${Buffer.alloc(32, 6).toString('base64')}`
const test = await useTestServices()
const open: Array<() => Promise<void>> = []

afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

async function receiver(answer?: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  const started = await startReceiver(answer)
  open.push(() => started.close())
  return started
}

const systemTime = { now: () => new Date(performance.timeOrigin + performance.now()) }
const notifierTo = (url: string, timeoutSeconds = 2): Notifier =>
  createWebhookNotifier({ url, secret, clock: systemTime, timeoutSeconds })

const event: OutboxEvent = {
  id: 'evt_01',
  type: 'grant.opened',
  orderKey: 'req_1',
  data: { subject: 'alice@example.com', note: 'Grüße ✓' },
  createdAt: new Date('2026-03-04T10:00:00.123Z'),
}
const deliver = (notifier: Notifier, signal = AbortSignal.timeout(5_000)) =>
  notifier.deliver(event, signal)

async function failureOf(attempt: Promise<void>): Promise<DeliveryFailure> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof DeliveryFailure)) throw new Error('it did not fail as a delivery does')
  return error
}

describe('a webhook', () => {
  it('carries type, timestamp and data, signed so that a stock library accepts it', async () => {
    const { url, received } = await receiver()
    await deliver(notifierTo(url))
    const [request] = received
    if (request === undefined) throw new Error('nothing arrived')
    expect(request.method).toBe('POST')
    expect(request.path).toBe('/hooks?team=1')
    expect(request.headers['content-type']).toBe('application/json')
    expect(request.headers['webhook-id']).toBe('evt_01')
    expect(new Webhook(secret).verify(request.body, request.headers)).toEqual({
      type: 'grant.opened',
      timestamp: '2026-03-04T10:00:00.123Z',
      data: event.data,
    })
  })

  it('is refused by the library under another secret, another body or another id', async () => {
    const { url, received } = await receiver()
    await deliver(notifierTo(url))
    const { body = '', headers = {} } = received[0] ?? {}
    const verify = (key: string, text: string, given: object) => () =>
      new Webhook(key).verify(text, { ...headers, ...given })
    expect(verify(other, body, {})).toThrow()
    expect(verify(secret, body.replace('alice', 'mallory'), {})).toThrow()
    expect(verify(secret, body, { 'webhook-id': 'evt_02' })).toThrow()
    expect(verify(secret, body, {})).not.toThrow()
  })

  it('keeps its id at every attempt, so that the receiver can drop repetitions', async () => {
    const { url, received } = await receiver((response, count) => {
      response.writeHead(count === 1 ? 500 : 200).end()
    })
    const outbox = createOutbox({ services: test.services, notifiers: [notifierTo(url)] })
    await outbox.start()
    open.push(() => outbox.stop())
    await emit(test, 'req_1', { number: 1 })
    await until('it arrived twice', () => received.length === 2)
    const status = () => test.services.database.read(outboxStatus)
    await until('nothing waits', async () => (await status()).waitingCount === 0)
    expect(received[0]?.headers['webhook-id']).toMatch(/^evt_/)
    expect(received[1]?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id'])
    expect(received[1]?.body).toBe(received[0]?.body)
  })
})

describe('an answer', () => {
  it.each([200, 201, 202, 204, 299])('of %i counts as arrived', async (status) => {
    const { url } = await receiver((response) => response.writeHead(status).end())
    await expect(deliver(notifierTo(url))).resolves.toBeUndefined()
  })

  it.each([304, 400, 401, 404, 410, 429, 500, 503])('of %i does not', async (status) => {
    const { url } = await receiver((response) => response.writeHead(status).end('s3cr3t'))
    const failure = await failureOf(deliver(notifierTo(url)))
    expect(failure.message).toBe(`the receiver answered ${status}`)
    expect(failure.isFinal).toBe(false)
  })

  it.each([301, 302, 303, 307, 308])('of %i is not followed', async (status) => {
    const elsewhere = await receiver()
    const { url } = await receiver((response) =>
      response.writeHead(status, { location: elsewhere.url }).end(),
    )
    const failure = await failureOf(deliver(notifierTo(url)))
    expect(failure.message).toBe(`the receiver answered ${status}`)
    expect(elsewhere.received).toHaveLength(0)
  })

  it('that asks for time is given it', async () => {
    const { url } = await receiver((response) =>
      response.writeHead(429, { 'retry-after': '120' }).end(),
    )
    expect((await failureOf(deliver(notifierTo(url)))).retryAfterSeconds).toBe(120)
  })

  it('without end is cut off, and its status counts', async () => {
    let sentBytes = 0
    let isCut = false
    const { url } = await receiver((response) => {
      response.writeHead(200)
      response.on('close', () => {
        isCut = true
      })
      const chunk = Buffer.alloc(16 * 1024)
      const send = () => {
        while (!isCut && sentBytes < 1e9) {
          sentBytes += chunk.length
          if (!response.write(chunk)) return
        }
      }
      response.on('drain', send)
      send()
    })
    await deliver(notifierTo(url))
    await until('the answer is cut off', () => isCut)
    expect(sentBytes).toBeLessThan(50_000_000)
  })
})

describe('a receiver that is not there', () => {
  it('fails without the address in what is kept, for that may hold a secret', async () => {
    const probe = createServer()
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    const failure = await failureOf(deliver(notifierTo(`http://127.0.0.1:${port}/s3cr3t`)))
    expect(failure.message).toBe('the receiver cannot be reached (ECONNREFUSED)')
  })

  it('fails when no answer comes in time', async () => {
    const { url } = await receiver(() => {})
    const failure = await failureOf(deliver(notifierTo(url, 0.2)))
    expect(failure.message).toBe('no answer within 0.2 s')
  })

  it('fails when the headers come in time and the body never ends, without holding anybody up', async () => {
    const { url } = await receiver((response) => {
      response.writeHead(200)
      response.write('a')
    })
    const startedAt = performance.now()
    await deliver(notifierTo(url, 0.3))
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  it('lets go when the outbox gives the attempt up', async () => {
    const { url } = await receiver(() => {})
    const startedAt = performance.now()
    await failureOf(deliver(notifierTo(url, 30), AbortSignal.timeout(100)))
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})

describe('a webhook notifier', () => {
  it('never sends inside a transaction', async () => {
    const { url, received } = await receiver()
    const sending = test.services.database.transaction(() => deliver(notifierTo(url)))
    await expect(sending).rejects.toThrow('inside a transaction')
    expect(received).toHaveLength(0)
  })

  it('is not made with a secret that cannot be used, and does not repeat it', () => {
    const make = () =>
      createWebhookNotifier({ url: 'http://x', secret: 'whsec_$$$', clock: systemTime })
    expect(make).toThrow('not usable')
    expect(make).not.toThrow('$$$')
  })
})
