import type { Services } from '../context.ts'
import { loggable } from '../errors.ts'
import { type ClaimedDelivery, claimDeliveries } from './claim-deliveries.ts'
import { DeliveryFailure, type Notifier } from './notifier.ts'
import { type AttemptResult, settleDelivery } from './settle-delivery.ts'

export interface DeliveryTiming {
  /** A holder that died is replaced after this long. Longer than an attempt may take. */
  readonly leaseSeconds: number
  readonly attemptSeconds: number
  readonly pollMilliseconds: number
  /** How many deliveries of one notifier this replica holds at once. */
  readonly concurrency: number
}

/** Delivers what is owed to one notifier until stopped. */
export interface DeliveryLoop {
  wake(): void
  /** Takes nothing more and resolves when what is held is settled. */
  stop(): Promise<void>
}

type LoopServices = Pick<Services, 'database' | 'log'>

/** Starts to deliver. Notifiers have a loop each, so a slow one never holds another up. */
export function startDeliveryLoop(
  services: LoopServices,
  notifier: Notifier,
  replica: string,
  timing: DeliveryTiming,
): DeliveryLoop {
  const bell = createBell()
  const held = new Set<Promise<void>>()
  let isStopping = false
  let isFailing = false

  const take = async (): Promise<boolean> => {
    const free = timing.concurrency - held.size
    if (free === 0) return false
    const { leaseSeconds } = timing
    const options = { notifier: notifier.name, replica, free, leaseSeconds }
    const { claimed, isMore } = await claimDeliveries(services, options)
    for (const delivery of claimed) {
      const attempt = attemptDelivery(services, notifier, delivery, timing).finally(() => {
        held.delete(attempt)
        bell.ring()
      })
      held.add(attempt)
    }
    return isMore
  }

  const look = async (): Promise<boolean> => {
    try {
      const isMore = await take()
      if (isFailing) services.log.info({ notifier: notifier.name }, 'the outbox is read again')
      isFailing = false
      return isMore
    } catch (error) {
      if (!isFailing) {
        services.log.warn(
          { notifier: notifier.name, error: loggable(error) },
          'the outbox cannot be read',
        )
      }
      isFailing = true
      return false
    }
  }

  const run = async (): Promise<void> => {
    while (!isStopping) {
      const isMore = await look()
      if (!isMore && !isStopping) await bell.heard(timing.pollMilliseconds)
    }
    await Promise.all(held)
  }

  const running = run()
  return {
    wake: bell.ring,
    stop: () => {
      isStopping = true
      bell.ring()
      return running
    },
  }
}

/** Never rejects: an attempt that cannot be recorded is repeated when its lease ends. */
async function attemptDelivery(
  services: LoopServices,
  notifier: Notifier,
  claimed: ClaimedDelivery,
  timing: DeliveryTiming,
): Promise<void> {
  const result = await tryDelivery(notifier, claimed, timing.attemptSeconds)
  const facts = {
    notifier: notifier.name,
    event_id: claimed.event.id,
    event_type: claimed.event.type,
    attempt_count: claimed.attemptCount,
  }
  try {
    const { settlement, reason } = await settleDelivery(services, claimed, result)
    if (settlement === 'waiting') {
      services.log.warn({ ...facts, reason }, 'an event was not delivered; it is tried again')
    } else if (settlement === 'undeliverable') {
      services.log.error({ ...facts, reason }, 'an event is undeliverable; it is kept as such')
    } else if (settlement === 'taken_over') {
      services.log.warn(facts, 'a delivery outlived its lease; another replica has taken it')
    }
  } catch (error) {
    services.log.warn(
      { ...facts, error: loggable(error) },
      'a delivery could not be recorded; it is repeated',
    )
  }
}

async function tryDelivery(
  notifier: Notifier,
  { event }: ClaimedDelivery,
  attemptSeconds: number,
): Promise<AttemptResult> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DeliveryFailure(`not done within ${attemptSeconds} s`))
      controller.abort()
    }, attemptSeconds * 1000)
  })
  try {
    await Promise.race([notifier.deliver(event, controller.signal), deadline])
    return { isDelivered: true }
  } catch (error) {
    return { error }
  } finally {
    clearTimeout(timer)
  }
}

interface Bell {
  ring(): void
  /** Resolves at the next ring, at once when it rang since the last time, or after `milliseconds`. */
  heard(milliseconds: number): Promise<void>
}

function createBell(): Bell {
  let hasRung = false
  let answer: (() => void) | undefined
  return {
    ring: () => {
      hasRung = true
      answer?.()
    },
    heard: async (milliseconds) => {
      if (!hasRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, milliseconds)
          answer = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      answer = undefined
      hasRung = false
    },
  }
}
