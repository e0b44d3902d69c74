import type { Services } from '../context.ts'
import { DatabaseError } from '../database/index.ts'
import { loggable } from '../errors.ts'
import { entriesOf, type GrantUse, type UseBuffer } from './use-buffer.ts'
import { writeUses } from './write-uses.ts'

/** A batch that a reachable database refuses so often in a row would be refused for ever. */
const mostRefusals = 5

/** Empties a buffer into the database, and says in the log when it cannot. */
export interface UseWriter {
  /** Writes one batch; false when it failed and waits in the buffer again. Never rejects. */
  writeNext(count: number): Promise<boolean>
  /** Gives up what is left. */
  abandon(): void
  /** Entries that are being written. */
  readonly heldCount: number
  /** Failed writes in a row. */
  readonly failureCount: number
}

export function createUseWriter(
  { database, log }: Pick<Services, 'database' | 'log'>,
  buffer: UseBuffer,
): UseWriter {
  let heldCount = 0
  let failureCount = 0
  let refusalCount = 0
  let toldLostCount = 0

  const tellLosses = () => {
    if (buffer.lostCount === toldLostCount) return
    log.error({ lost_count: buffer.lostCount - toldLostCount }, 'observed uses were lost')
    toldLostCount = buffer.lostCount
  }
  const succeed = () => {
    if (failureCount > 0)
      log.info({ failure_count: failureCount }, 'observed uses are written again')
    failureCount = 0
    refusalCount = 0
    tellLosses()
  }
  const fail = (uses: readonly GrantUse[], error: unknown) => {
    if (failureCount === 0) {
      log.warn({ error: loggable(error) }, 'observed uses could not be written; they wait')
    }
    failureCount += 1
    refusalCount = error instanceof DatabaseError ? refusalCount + 1 : 0
    if (refusalCount < mostRefusals) return buffer.putBack(uses)
    log.error({ error: loggable(error) }, 'the database refuses observed uses; they are dropped')
    refusalCount = 0
    buffer.drop(uses)
  }
  return {
    writeNext: async (count) => {
      const uses = buffer.take(count)
      if (uses.length === 0) {
        tellLosses()
        return true
      }
      heldCount = uses.reduce((sum, use) => sum + entriesOf(use), 0)
      try {
        await writeUses(database, uses)
        succeed()
        return true
      } catch (error) {
        fail(uses, error)
        return false
      } finally {
        heldCount = 0
      }
    },
    abandon: () => {
      buffer.drop(buffer.take(Number.POSITIVE_INFINITY))
      tellLosses()
    },
    get heldCount() {
      return heldCount
    },
    get failureCount() {
      return failureCount
    },
  }
}
