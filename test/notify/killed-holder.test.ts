import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  createOutbox,
  createWebhookNotifier,
  type Outbox,
  outboxStatus,
} from '../../src/notify/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { until } from '../support/until.ts'
import { expectOrderAndNoLoss } from './order.ts'
import { type OutboxProcess, startOutboxProcess } from './outbox-process.ts'
import { type Receiver, startReceiver } from './receiver.ts'
import { emit } from './recorder.ts'

const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
let test: TestServices
let receiver: Receiver
let outbox: Outbox | undefined
let children: OutboxProcess[]

beforeEach(async () => {
  test = await createTestServices()
  receiver = await startReceiver()
  children = []
})

afterEach(async () => {
  for (const child of children) child.kill()
  await outbox?.stop()
  await receiver.close()
  await test.close()
})

function startChild(
  deaths: { atStep?: number; hangAtStep?: number },
  timing: object,
): OutboxProcess {
  const { connectionString } = test.database.applicationConnection
  const child = startOutboxProcess({
    connectionString,
    url: receiver.url,
    secret,
    timing,
    deaths,
  })
  children.push(child)
  return child
}

async function startHere(timing = {}): Promise<void> {
  const notifier = createWebhookNotifier({ url: receiver.url, secret, clock: test.clock })
  outbox = createOutbox({ services: test.services, notifiers: [notifier], timing })
  await outbox.start()
}

/** The notifier must be known before anything is emitted. */
async function register(): Promise<void> {
  await startHere()
  await outbox?.stop()
}

const arrivals = () => receiver.received.map(({ body }) => JSON.parse(body).data)
const waitingCount = async () => (await test.services.database.read(outboxStatus)).waitingCount

it('delivers within 60 s what a killed process held, in order, and other keys meanwhile', async () => {
  await register()
  await emit(test, 'req_1', { key: 'req_1', number: 1 })
  await emit(test, 'req_1', { key: 'req_1', number: 2 })
  const child = startChild({ hangAtStep: 1 }, { attemptSeconds: 3_600 })
  await child.holding
  await emit(test, 'req_2', { key: 'req_2', number: 1 })
  await startHere()
  await until('the other key is told', () => receiver.received.length === 1)
  expect(arrivals()).toEqual([{ key: 'req_2', number: 1 }])
  const killedAt = performance.now()
  child.kill()
  expect(await child.ended).toBe('SIGKILL')
  await until('what it held is told', () => receiver.received.length === 3, 60)
  expect(performance.now() - killedAt).toBeLessThan(60_000)
  expect(arrivals().slice(1)).toEqual([
    { key: 'req_1', number: 1 },
    { key: 'req_1', number: 2 },
  ])
}, 90_000)

it('loses nothing and keeps every order, however often the holder is killed at any step', async () => {
  await register()
  const timing = { leaseSeconds: 1, attemptSeconds: 0.8, concurrency: 2 }
  const keys = ['req_1', 'req_2', 'req_3']
  const each = 8
  for (let number = 1; number <= each; number++) {
    for (const key of keys) await emit(test, key, { key, number })
  }
  for (const atStep of [1, 2, 3, 4, 5, 6]) {
    const child = startChild({ atStep }, timing)
    expect(await child.ended).toBe('SIGKILL')
  }
  expect(await waitingCount()).toBeGreaterThan(0)
  await startHere(timing)
  await until('nothing waits', async () => (await waitingCount()) === 0, 30)
  expectOrderAndNoLoss(arrivals(), new Map(keys.map((key) => [key, each])))
  // those that died after the post and before it was recorded
  expect(receiver.received.length).toBeGreaterThan(keys.length * each)
}, 90_000)
