import type { EventType, Notifier, OutboxEvent } from '../../src/notify/index.ts'
import { emitEvent } from '../../src/notify/index.ts'
import type { TestServices } from '../support/context.ts'

/** A notifier that keeps what it is given; `before` may wait or throw. */
export function recorder(
  name: string,
  before: (event: OutboxEvent, signal: AbortSignal) => Promise<void> | void = () => {},
): Notifier & { readonly received: OutboxEvent[] } {
  const received: OutboxEvent[] = []
  return {
    name,
    received,
    deliver: async (event, signal) => {
      await before(event, signal)
      received.push(event)
    },
  }
}

/** Emits one event in a transaction of its own. */
export async function emit(
  test: TestServices,
  orderKey: string,
  data: Readonly<Record<string, unknown>> = {},
  type: EventType = 'request.submitted',
): Promise<void> {
  await test.services.database.transaction((tx) =>
    emitEvent(tx, test.services, { type, orderKey, data }),
  )
}
