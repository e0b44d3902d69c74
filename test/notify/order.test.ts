import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createOutbox, type Outbox, outboxStatus } from '../../src/notify/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { until } from '../support/until.ts'
import { expectOrderAndNoLoss } from './order.ts'
import { emit, recorder } from './recorder.ts'

let test: TestServices
let running: Outbox[]

beforeEach(async () => {
  test = await createTestServices()
  running = []
})

afterEach(async () => {
  await stopAll()
  await test.close()
})

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((outbox) => outbox.stop()))
}

const waitingCount = async () => (await test.services.database.read(outboxStatus)).waitingCount

/** Three replicas that share one receiver; `mishap` says how each attempt goes. */
async function startReplicas(mishap: () => 'fail' | 'slow' | 'fine') {
  const inFlight = new Set<string>()
  const overlaps: string[] = []
  const notifier = recorder('first', async ({ orderKey }) => {
    if (inFlight.has(orderKey)) overlaps.push(orderKey)
    inFlight.add(orderKey)
    const kind = mishap()
    await sleep(kind === 'slow' ? 30 : 1)
    inFlight.delete(orderKey)
    if (kind === 'fail') throw new Error('by chance')
  })
  for (let replica = 0; replica < 3; replica++) {
    const outbox = createOutbox({ services: test.services, notifiers: [notifier] })
    await outbox.start()
    running.push(outbox)
  }
  return { notifier, overlaps }
}

it('keeps the order of every key over three replicas, whatever fails when', async () => {
  const mishaps = fc.array(fc.constantFrom('fail', 'slow', 'fine', 'fine'), {
    minLength: 30,
    maxLength: 30,
  })
  const plan = fc.array(fc.constantFrom('req_1', 'req_2', 'req_3', 'req_4'), {
    minLength: 12,
    maxLength: 24,
  })
  let round = 0
  await fc.assert(
    fc.asyncProperty(mishaps, plan, async (given, keys) => {
      round++
      const left = [...given]
      const { notifier, overlaps } = await startReplicas(() => left.shift() ?? 'fine')
      const emitted = new Map<string, number>()
      for (const name of keys) {
        const key = `${name}-${round}`
        const number = (emitted.get(key) ?? 0) + 1
        emitted.set(key, number)
        await emit(test, key, { key, number })
      }
      await until('nothing waits', async () => (await waitingCount()) === 0, 60)
      await stopAll()
      const arrivals = notifier.received.map(({ orderKey, data }) => ({
        key: orderKey,
        number: Number(data.number),
      }))
      expectOrderAndNoLoss(arrivals, emitted)
      expect(overlaps).toEqual([])
      // nobody died, so nothing came twice
      expect(arrivals).toHaveLength(keys.length)
    }),
    { numRuns: 3, endOnFailure: true },
  )
}, 200_000)

it('works a backlog off once, with a key far longer than one look', async () => {
  const { notifier: known } = await startReplicas(() => 'fine')
  await stopAll()
  const { database } = test.services
  await database.read((db) =>
    db.execute(`with event as (
        insert into outbox_event (id, type, order_key, data, created_at)
        select 'evt_' || n, 'grant.opened',
               case when n <= 300 then 'long' else 'req_' || n % 100 end,
               jsonb_build_object('number', n), now()
        from generate_series(1, 900) n returning sequence, order_key)
      insert into outbox_delivery (notifier, sequence, order_key)
      select '${known.name}', sequence, order_key from event`),
  )
  const { notifier, overlaps } = await startReplicas(() => 'fine')
  await until('nothing waits', async () => (await waitingCount()) === 0, 60)
  expect(overlaps).toEqual([])
  expect(notifier.received).toHaveLength(900)
  const numbersOf = (key: string) =>
    notifier.received
      .filter(({ orderKey }) => orderKey === key)
      .map(({ data }) => Number(data.number))
  expect(numbersOf('long')).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))
  expect(numbersOf('req_7')).toEqual([307, 407, 507, 607, 707, 807])
}, 90_000)
