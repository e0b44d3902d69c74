import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HallpassError } from '../../src/errors.ts'
import { emitEvent } from '../../src/notify/emit-event.ts'
import {
  createOutbox,
  DeliveryFailure,
  type Notifier,
  type Outbox,
  outboxStatus,
} from '../../src/notify/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { until } from '../support/until.ts'
import { emit, recorder } from './recorder.ts'

let test: TestServices
let running: Outbox[]

beforeEach(async () => {
  test = await createTestServices()
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((outbox) => outbox.stop()))
  await test.close()
})

async function start(notifiers: Notifier[], timing = {}): Promise<Outbox> {
  const outbox = createOutbox({ services: test.services, notifiers, timing })
  await outbox.start()
  running.push(outbox)
  return outbox
}

/** Milliseconds from emitting to receiving; the middle one of nine. */
async function medianWait(
  notifier: ReturnType<typeof recorder>,
  emitOne: (orderKey: string) => Promise<void>,
): Promise<number | undefined> {
  const waits: number[] = []
  for (let number = 1; number <= 9; number++) {
    await sleep(number * 20)
    const startedAt = performance.now()
    await emitOne(`req_${number}`)
    await until('it is told', () => notifier.received.length === number)
    waits.push(performance.now() - startedAt)
  }
  return waits.sort((a, b) => a - b)[4]
}

const status = () => test.services.database.read((db) => outboxStatus(db))

describe('what an outbox delivers', () => {
  it('delivers a committed event to every notifier, whole', async () => {
    const first = recorder('first')
    const second = recorder('second')
    await start([first, second])
    await emit(test, 'req_1', { subject: 'alice@example.com' })
    await until('both are told', () => first.received.length + second.received.length === 2)
    const [event] = first.received
    expect(event).toMatchObject({
      type: 'request.submitted',
      orderKey: 'req_1',
      data: { subject: 'alice@example.com' },
      createdAt: test.clock.now(),
    })
    expect(event?.id).toMatch(/^evt_/)
    expect(second.received).toEqual(first.received)
  })

  it('never delivers an event whose transaction rolled back', async () => {
    const notifier = recorder('first')
    const outbox = await start([notifier])
    const rolledBack = test.services.database.transaction(async (tx) => {
      await emitEvent(tx, test.services, { type: 'grant.opened', orderKey: 'req_1', data: {} })
      outbox.wake()
      await sleep(100)
      throw new Error('changed my mind')
    })
    await expect(rolledBack).rejects.toThrow('changed my mind')
    await emit(test, 'req_2')
    await until('the other is told', () => notifier.received.length > 0)
    expect(notifier.received.map(({ orderKey }) => orderKey)).toEqual(['req_2'])
  })

  it('is woken by the commit, mostly in under 300 ms, even when polls are an hour apart', async () => {
    const notifier = recorder('first')
    const outbox = await start([notifier], { pollMilliseconds: 3_600_000 })
    await sleep(50)
    const services = { ...test.services, wakeOutbox: outbox.wake }
    const waits = await medianWait(notifier, (orderKey) =>
      services.database.transaction((tx) =>
        emitEvent(tx, services, { type: 'grant.opened', orderKey, data: {} }),
      ),
    )
    expect(waits).toBeLessThan(300)
  })

  it('finds what another replica committed by polling, mostly in under 300 ms', async () => {
    const notifier = recorder('first')
    await start([notifier])
    expect(await medianWait(notifier, (orderKey) => emit(test, orderKey))).toBeLessThan(300)
  })

  it('owes events to a notifier while no replica runs', async () => {
    const outbox = await start([recorder('first')])
    await outbox.stop()
    await emit(test, 'req_1')
    expect(await status()).toMatchObject({ waitingCount: 1, failingCount: 0 })
    const later = recorder('first')
    await start([later])
    await until('it is told', () => later.received.length === 1)
    await until('nothing waits', async () => (await status()).waitingCount === 0)
    expect(await status()).toMatchObject({ oldestWaitingSeconds: null })
  })

  it('holds nothing back for an hour because the database’s clock was set back by one', async () => {
    const notifier = recorder('first')
    const outbox = await start([notifier])
    await outbox.stop()
    await emit(test, 'req_1')
    await test.services.database.read((db) =>
      db.execute("update outbox_delivery set due_at = now() + interval '1 hour'"),
    )
    await start([notifier])
    await until('it is told', () => notifier.received.length === 1)
  })

  it('does not wait to be asked when the database was away', async () => {
    let isAway = true
    const { database } = test.services
    const notifier = recorder('first')
    const flaky: typeof database = {
      ...database,
      read: (work) => {
        if (isAway) return Promise.reject(new HallpassError('cannot_decide', 'Try again.'))
        return database.read(work)
      },
    }
    const first = await start([notifier])
    await first.stop()
    isAway = false
    const outbox = createOutbox({
      services: { ...test.services, database: flaky },
      notifiers: [notifier],
    })
    await outbox.start()
    running.push(outbox)
    isAway = true
    await emit(test, 'req_1')
    await sleep(800)
    expect(notifier.received).toHaveLength(0)
    isAway = false
    await until('it is told', () => notifier.received.length === 1)
    const said = test.logLines.filter((line) => line.includes('the outbox cannot be read'))
    expect(said).toHaveLength(1)
    expect(test.logLines.some((line) => line.includes('the outbox is read again'))).toBe(true)
  })

  it('refuses two notifiers of one name, which would share what they are owed', () => {
    const notifiers = [recorder('same'), recorder('same')]
    expect(() => createOutbox({ services: test.services, notifiers })).toThrow('one name')
  })
})

describe('a notifier that fails', () => {
  it('is tried again, and later events of the key wait while other keys go on', async () => {
    let isDown = true
    const notifier = recorder('first', ({ orderKey }) => {
      if (isDown && orderKey === 'req_1') throw new DeliveryFailure('down for a moment')
    })
    const outbox = await start([notifier])
    await emit(test, 'req_1', { number: 1 })
    await emit(test, 'req_1', { number: 2 })
    await emit(test, 'req_2', { number: 3 })
    outbox.wake()
    await until('the other key is told', () => notifier.received.length === 1)
    await until('it counts as failing', async () => (await status()).failingCount === 1)
    expect(notifier.received[0]?.orderKey).toBe('req_2')
    expect(await status()).toMatchObject({ waitingCount: 2, undeliverableCount: 0 })
    isDown = false
    await until('all are told', () => notifier.received.length === 3)
    expect(notifier.received.map(({ data }) => data.number)).toEqual([3, 1, 2])
    await until('nothing waits', async () => (await status()).waitingCount === 0)
  })

  it('does not hold another notifier up', async () => {
    const broken = recorder('broken', () => {
      throw new Error('no')
    })
    const hanging = recorder('hanging', (_, signal) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('let go')))
      })
    })
    const fine = recorder('fine')
    await start([broken, hanging, fine], { attemptSeconds: 2 })
    for (let number = 0; number < 20; number++) await emit(test, `req_${number % 3}`, { number })
    await until('the sound one is told all', () => fine.received.length === 20, 5)
    expect(broken.received).toHaveLength(0)
  })

  it('is cut off when it takes too long, and the attempt counts as failed', async () => {
    let attemptCount = 0
    const notifier = recorder('slow', async () => {
      attemptCount++
      if (attemptCount === 1) await new Promise(() => {})
    })
    await start([notifier], { attemptSeconds: 0.2 })
    await emit(test, 'req_1')
    await until('the second attempt succeeds', () => notifier.received.length === 1)
    expect(attemptCount).toBe(2)
    expect(test.logLines.some((line) => line.includes('not done within 0.2 s'))).toBe(true)
  })

  it('gives an event up when told that nothing helps, keeps it, and lets the key go on', async () => {
    const notifier = recorder('first', ({ data }) => {
      if (data.number === 1) throw new DeliveryFailure('no such channel', { isFinal: true })
    })
    await start([notifier])
    await emit(test, 'req_1', { number: 1 })
    await emit(test, 'req_1', { number: 2 })
    await until('the later one is told', () => notifier.received.length === 1)
    await until('nothing waits', async () => (await status()).waitingCount === 0)
    expect(await status()).toMatchObject({ undeliverableCount: 1 })
    expect(test.logLines.some((line) => line.includes('an event is undeliverable'))).toBe(true)
  })

  it('leaves no secret of an unknown error in the log or the table', async () => {
    const notifier = recorder('first', () => {
      throw Object.assign(new Error('https://hooks.example.com/s3cr3t-path'), { code: 'EPROTO' })
    })
    await start([notifier])
    await emit(test, 'req_1')
    await until('it failed', async () => (await status()).failingCount === 1)
    const stored = await test.services.database.read((db) =>
      db.execute<{ last_error: string }>('select last_error from outbox_delivery'),
    )
    expect(stored.rows[0]?.last_error).toBe('Error EPROTO')
    expect(test.logLines.join('\n')).not.toContain('s3cr3t-path')
  })
})

describe('an outbox that stops', () => {
  it('finishes what it holds and takes nothing more', async () => {
    let release: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let startedCount = 0
    const notifier = recorder('first', async () => {
      startedCount++
      await gate
    })
    const outbox = await start([notifier])
    await emit(test, 'req_1', { number: 1 })
    await until('it is held', () => startedCount === 1)
    const stopped = outbox.stop()
    await emit(test, 'req_2', { number: 2 })
    await sleep(400)
    expect(startedCount).toBe(1)
    release()
    await stopped
    expect(notifier.received.map(({ data }) => data.number)).toEqual([1])
    expect(await status()).toMatchObject({ waitingCount: 1, failingCount: 0 })
  })
})
