import { hostname } from 'node:os'
import type { Services } from '../context.ts'
import { loggable } from '../errors.ts'
import { type DeliveryLoop, type DeliveryTiming, startDeliveryLoop } from './delivery-loop.ts'
import type { Notifier } from './notifier.ts'
import { registerNotifiers } from './register-notifiers.ts'

/** 20 s of lease and a poll later an event of a killed process is delivered again: well within 60 s. */
const defaultTiming: DeliveryTiming = {
  leaseSeconds: 20,
  attemptSeconds: 12,
  pollMilliseconds: 250,
  concurrency: 8,
}
const registrationMilliseconds = 10 * 60 * 1000

/** Delivers committed events: at least once to each notifier, in order per order key. */
export interface Outbox {
  /** A committed event waits: look now instead of at the next poll. Never throws; safe before start. */
  wake(): void
  /** Registers the notifiers and begins to deliver. Rejects when the database cannot be reached. */
  start(): Promise<void>
  /** Takes nothing more; resolves when every delivery that is held is settled. */
  stop(): Promise<void>
}

export interface OutboxSettings {
  readonly services: Pick<Services, 'database' | 'log'>
  readonly notifiers: readonly Notifier[]
  readonly timing?: Partial<DeliveryTiming>
}

/** Any number of replicas may run an outbox over one database. */
export function createOutbox({ services, notifiers, timing }: OutboxSettings): Outbox {
  const names = notifiers.map(({ name }) => name)
  if (new Set(names).size !== names.length) throw new Error('two notifiers have one name')
  const replica = `${hostname()}:${process.pid}`
  let loops: readonly DeliveryLoop[] = []
  let registration: NodeJS.Timeout | undefined

  const register = () => registerNotifiers(services, names)
  return {
    wake: () => {
      for (const loop of loops) loop.wake()
    },
    start: async () => {
      await register()
      registration = setInterval(() => {
        register().catch((error: unknown) => {
          services.log.warn(
            { error: loggable(error) },
            'the notifiers could not be registered again',
          )
        })
      }, registrationMilliseconds).unref()
      loops = notifiers.map((notifier) =>
        startDeliveryLoop(services, notifier, replica, { ...defaultTiming, ...timing }),
      )
    },
    stop: async () => {
      clearInterval(registration)
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}
