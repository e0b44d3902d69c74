import { setTimeout as sleep } from 'node:timers/promises'

/** One transaction through a driver: every statement inserts a row and tells the transaction it ran in. */
export interface OpenedTransaction {
  insert(attempt: number, step: number): Promise<string>
}

/** A driver under drizzle, as a caller uses it. */
export interface DriverUnderTest {
  transaction(work: (tx: OpenedTransaction) => Promise<void>): Promise<void>
}

/** What callers of one driver saw while backends died under them. */
export interface Observations {
  readonly committedCount: number
  readonly failedCount: number
  /** Statements that ran in a transaction which another caller had opened. */
  readonly strayedCount: number
  /** Statements that ran in no transaction that any caller had opened. */
  readonly looseCount: number
  readonly hungCount: number
  /** Attempts that ended before their commit: whatever of them is in the table should not be. */
  readonly rolledBack: readonly number[]
}

const callerCount = 48
/** Long enough for a connection that died to be opened again for somebody else. */
const longestPauseMilliseconds = 60
const patienceMilliseconds = 10_000

class DeliberateRollback extends Error {}

/**
 * Runs 48 callers, each with one transaction of three statements after another, until `isOver`. Every fourth
 * transaction is rolled back on purpose. Callers that do not come back within 10 s count as hung.
 */
export async function runCallers(
  driver: DriverUnderTest,
  isOver: () => boolean,
): Promise<Observations> {
  const openedBy = new Map<string, number>()
  const rolledBack: number[] = []
  const counts = { committed: 0, failed: 0, strayed: 0, loose: 0 }
  let lastAttempt = 0
  let waitingCount = callerCount

  async function attemptOnce(): Promise<void> {
    const attempt = ++lastAttempt
    let isComplete = false
    try {
      await driver.transaction(async (tx) => {
        const own = await tx.insert(attempt, 1)
        if (openedBy.has(own)) counts.strayed += 1
        else openedBy.set(own, attempt)
        for (const step of [2, 3]) {
          await sleep(Math.random() * longestPauseMilliseconds)
          const ranIn = await tx.insert(attempt, step)
          if (ranIn === own) continue
          if (openedBy.has(ranIn)) counts.strayed += 1
          else counts.loose += 1
        }
        if (attempt % 4 === 0) throw new DeliberateRollback()
        isComplete = true
      })
      counts.committed += 1
    } catch (error) {
      // once everything is said, only the server knows whether the commit arrived
      if (!isComplete) rolledBack.push(attempt)
      if (!(error instanceof DeliberateRollback)) counts.failed += 1
    }
  }

  const callers = Array.from({ length: callerCount }, async () => {
    while (!isOver()) await attemptOnce()
    waitingCount -= 1
  })
  while (!isOver()) await sleep(50)
  await Promise.race([Promise.all(callers), sleep(patienceMilliseconds)])
  return {
    committedCount: counts.committed,
    failedCount: counts.failed,
    strayedCount: counts.strayed,
    looseCount: counts.loose,
    hungCount: waitingCount,
    rolledBack,
  }
}
