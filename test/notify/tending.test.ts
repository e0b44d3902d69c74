import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createOutbox,
  DeliveryFailure,
  emitEvents,
  forgetEvents,
  type Notifier,
  outboxStatus,
  redeliverEvents,
} from '../../src/notify/index.ts'
import { useTestServices } from '../support/context.ts'
import { until } from '../support/until.ts'
import { emit, recorder } from './recorder.ts'

const test = await useTestServices()
const { database } = test.services
const job = test.asJob('forget-events')
const status = () => database.read(outboxStatus)
const days = (count: number) => count * 86_400

beforeEach(async () => {
  await database.read((db) => db.execute('delete from outbox_event'))
  await database.read((db) => db.execute('delete from outbox_notifier'))
})

/** Runs an outbox until nothing waits for the notifiers that it has. */
async function deliverAll(notifiers: readonly Notifier[]): Promise<void> {
  const outbox = createOutbox({ services: test.services, notifiers })
  await outbox.start()
  const names = notifiers.map(({ name }) => name)
  await until('nothing waits', async () => {
    const { notifiers: known } = await status()
    return known.every(({ notifier, waitingCount }) => !names.includes(notifier) || !waitingCount)
  })
  await outbox.stop()
}

const register = (...names: string[]) => deliverAll(names.map((name) => recorder(name)))

async function eventNumbers(): Promise<unknown[]> {
  const { rows } = await database.read((db) =>
    db.execute("select data->'number' as number from outbox_event order by sequence"),
  )
  return rows.map(({ number }) => number)
}

const unwanted = (name: string) =>
  recorder(name, () => {
    throw new DeliveryFailure('channel_not_found', { isFinal: true })
  })

describe('forgetting', () => {
  it('removes what is older than 7 days and delivered to all, and nothing else', async () => {
    await register('first', 'second')
    await emit(test, 'req_1', { number: 1 })
    await deliverAll([recorder('first'), recorder('second')])
    await emit(test, 'req_2', { number: 2 })
    await deliverAll([recorder('first')])
    await emit(test, 'req_3', { number: 3 })
    await deliverAll([recorder('first'), unwanted('second')])
    test.clock.advance(days(7) + 1)
    await emit(test, 'req_4', { number: 4 })
    await deliverAll([recorder('first'), recorder('second')])
    expect(await forgetEvents(job)).toEqual({ forgottenCount: 1, abandonedCount: 0 })
    // 2 and 3 were given up by the second, which said that nothing helps
    expect(await eventNumbers()).toEqual([2, 3, 4])
    expect(await status()).toMatchObject({ undeliverableCount: 2 })
  })

  it('goes on until nothing old is left, however much there is', async () => {
    const many = Array.from({ length: 2_500 }, (_, number) => ({
      type: 'grant.opened' as const,
      orderKey: `req_${number}`,
      data: { number },
    }))
    await database.transaction((tx) => emitEvents(tx, test.services, many))
    test.clock.advance(days(8))
    expect(await forgetEvents(job)).toMatchObject({ forgottenCount: 2_500 })
    expect(await eventNumbers()).toEqual([])
  })

  it('drops nothing silently when nobody has run a notifier for 7 days', async () => {
    await register('gone', 'here')
    await emit(test, 'req_1', { number: 1 })
    await deliverAll([recorder('here')])
    await database.read((db) =>
      db.execute(sql`update outbox_notifier set seen_at = now() - interval '8 days'
                     where name = 'gone'`),
    )
    test.clock.advance(days(8))
    expect(await forgetEvents(job)).toEqual({ forgottenCount: 0, abandonedCount: 1 })
    expect(await status()).toMatchObject({ waitingCount: 0, undeliverableCount: 1 })
    expect(test.logLines.some((line) => line.includes('nobody runs'))).toBe(true)
    await emit(test, 'req_2', { number: 2 })
    expect((await status()).notifiers).toMatchObject([
      { notifier: 'gone', waitingCount: 0, undeliverableCount: 1 },
      { notifier: 'here', waitingCount: 1, undeliverableCount: 0 },
    ])
  })

  it('is refused to a person, even an admin', async () => {
    await expect(forgetEvents(test.asPerson('sam@example.com'))).rejects.toMatchObject({
      code: 'not_permitted',
    })
  })
})

describe('what is undeliverable', () => {
  it('is delivered again when an operator asks, and that is audited', async () => {
    await register('first')
    await emit(test, 'req_1', { number: 1 })
    await deliverAll([unwanted('first')])
    const wakesBefore = test.wakeCount()
    const asked = redeliverEvents(test.asOperator(), { notifier: 'first' })
    expect(await asked).toEqual({ redeliveredCount: 1 })
    expect(test.wakeCount()).toBe(wakesBefore + 1)
    const mended = recorder('first')
    await deliverAll([mended])
    expect(mended.received.map(({ data }) => data.number)).toEqual([1])
    expect(await status()).toMatchObject({ undeliverableCount: 0, waitingCount: 0 })
    const { rows } = await database.read((db) =>
      db.execute("select actor_kind, details from audit_entry where action = 'redeliver-events'"),
    )
    expect(rows).toEqual([{ actor_kind: 'operator', details: { notifier: 'first', count: 1 } }])
  })

  it('is not delivered again because a person asks', async () => {
    const asked = redeliverEvents(test.asPerson('sam@example.com'), { notifier: 'first' })
    await expect(asked).rejects.toMatchObject({ code: 'not_permitted' })
  })

  it('is what an event becomes whose attempts are used up', async () => {
    await register('first')
    await emit(test, 'req_1', { number: 1 })
    await emit(test, 'req_1', { number: 2 })
    await database.read((db) =>
      db.execute(`update outbox_delivery set attempt_count = 149
                  where sequence = (select min(sequence) from outbox_delivery)`),
    )
    const failing = recorder('first', ({ data }) => {
      if (data.number === 1) throw new DeliveryFailure('the receiver answered 500')
    })
    await deliverAll([failing])
    expect(failing.received.map(({ data }) => data.number)).toEqual([2])
    const { rows } = await database.read((db) =>
      db.execute(
        "select attempt_count, last_error from outbox_delivery where state <> 'delivered'",
      ),
    )
    expect(rows).toEqual([{ attempt_count: 150, last_error: 'the receiver answered 500' }])
  })
})

describe('the status', () => {
  it('tells what waits, since when, and for whom', async () => {
    await register('a', 'b')
    await emit(test, 'req_1')
    await emit(test, 'req_2')
    await deliverAll([recorder('a')])
    await database.read((db) =>
      db.execute("update outbox_delivery set created_at = now() - interval '90 seconds'"),
    )
    const told = await status()
    expect(told).toMatchObject({ waitingCount: 2, failingCount: 0, undeliverableCount: 0 })
    expect(told.oldestWaitingSeconds).toBeGreaterThan(89)
    expect(told.oldestWaitingSeconds).toBeLessThan(120)
    expect(told.notifiers.map(({ notifier, waitingCount }) => [notifier, waitingCount])).toEqual([
      ['a', 0],
      ['b', 2],
    ])
  })

  it('is all zeros on an empty outbox', async () => {
    expect(await status()).toEqual({
      waitingCount: 0,
      failingCount: 0,
      undeliverableCount: 0,
      oldestWaitingSeconds: null,
      notifiers: [],
    })
  })
})

describe('many events of one act', () => {
  it('keep their order and are owed to everybody', async () => {
    const notifier = recorder('first')
    await register('first')
    const events = [3, 1, 2].map((number) => ({
      type: 'grant.revoked' as const,
      orderKey: 'req_1',
      data: { number },
    }))
    await database.transaction((tx) => emitEvents(tx, test.services, events))
    await deliverAll([notifier])
    expect(notifier.received.map(({ data }) => data.number)).toEqual([3, 1, 2])
  })
})
