import type { Log } from '../context.ts'
import { describeEvent } from './describe-event.ts'
import type { Notifier } from './notifier.ts'

/** For development: one readable line per event in the log, on stderr. */
export function createConsoleNotifier(log: Log): Notifier {
  return {
    name: 'console',
    deliver: async (event) => {
      log.info({ event_id: event.id, event_type: event.type }, describeEvent(event))
    },
  }
}
