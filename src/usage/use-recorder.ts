import { setTimeout as sleep } from 'node:timers/promises'
import type { Services, UseObserver } from '../context.ts'
import { createUseBuffer } from './use-buffer.ts'
import { createUseWriter } from './use-writer.ts'

/** How much is held and how often it is written. */
export interface RecorderLimits {
  readonly flushMilliseconds: number
  /** So many entries are written at once, without waiting for the next flush. */
  readonly batchEntries: number
  /** What comes beyond, while the database is away, is lost and counted. */
  readonly maxEntries: number
  readonly longestPauseMilliseconds: number
  /** How long a stop goes on trying. */
  readonly stopMilliseconds: number
}

const defaultLimits: RecorderLimits = {
  flushMilliseconds: 250,
  batchEntries: 1_000,
  maxEntries: 50_000,
  longestPauseMilliseconds: 5_000,
  stopMilliseconds: 5_000,
}

/** How recording fares on this replica. */
export interface UseRecorderStatus {
  /** Entries not written yet: one a grant and one a named scope. */
  readonly waitingCount: number
  /** Lost since the start: for want of room, refused by the database, or left over at the stop. */
  readonly lostCount: number
  /** Failed writes in a row. */
  readonly failureCount: number
}

/**
 * Takes observations into memory at once and writes them in batches. A process that is killed loses what it
 * observed in the last quarter of a second; a graceful stop loses nothing that the database would take.
 */
export interface UseRecorder {
  readonly observer: UseObserver
  start(): void
  /** Resolves when everything is written, or was given up after some seconds. */
  stop(): Promise<void>
  status(): UseRecorderStatus
}

/** Any number of replicas may record into one database. */
export function createUseRecorder(
  services: Pick<Services, 'database' | 'log'>,
  given: Partial<RecorderLimits> = {},
): UseRecorder {
  const limits = { ...defaultLimits, ...given }
  const buffer = createUseBuffer(limits.maxEntries)
  const writer = createUseWriter(services, buffer)
  const drain = async () => {
    while ((await writer.writeNext(limits.batchEntries)) && buffer.size >= limits.batchEntries);
  }
  const loop = createLoop(drain, () => pauseAfter(writer.failureCount, limits))
  const wakeWhenMany = () => {
    if (buffer.size >= limits.batchEntries && writer.failureCount === 0) loop.wake()
  }
  return {
    observer: {
      observeMint: ({ grantId, at }) => {
        buffer.addMint(grantId, at.getTime())
        wakeWhenMany()
      },
      observeUse: ({ grantId, scope, at }) => {
        buffer.addUse(grantId, scope, at.getTime())
        wakeWhenMany()
      },
    },
    start: loop.start,
    stop: async () => {
      await loop.stop()
      let isTimeUp = false
      const deadline = setTimeout(() => {
        isTimeUp = true
      }, limits.stopMilliseconds)
      while (buffer.size > 0 && !isTimeUp) {
        const isWritten = await writer.writeNext(limits.batchEntries)
        if (!isWritten) await sleep(limits.flushMilliseconds)
      }
      clearTimeout(deadline)
      writer.abandon()
    },
    status: () => ({
      waitingCount: buffer.size + writer.heldCount,
      lostCount: buffer.lostCount,
      failureCount: writer.failureCount,
    }),
  }
}

/** Twice as long after each failure, up to the longest. */
function pauseAfter(failureCount: number, limits: RecorderLimits): number {
  const doubled = limits.flushMilliseconds * 2 ** Math.min(failureCount, 16)
  return Math.min(doubled, Math.max(limits.longestPauseMilliseconds, limits.flushMilliseconds))
}

interface Loop {
  start(): void
  /** Runs soon instead of after the pause; not at once, for whoever wakes it is on the hot path. */
  wake(): void
  /** Resolves when the run under way has ended. */
  stop(): Promise<void>
}

/** Runs `work`, which never rejects, again and again with a pause in between. */
function createLoop(work: () => Promise<void>, pauseMilliseconds: () => number): Loop {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isStarted = false
  let isWoken = false

  const schedule = (milliseconds: number) => {
    clearTimeout(timer)
    if (isStarted) timer = setTimeout(run, milliseconds)
  }
  const run = () => {
    isWoken = false
    running = work().finally(() => {
      running = undefined
      schedule(pauseMilliseconds())
    })
  }
  return {
    start: () => {
      isStarted = true
      schedule(pauseMilliseconds())
    },
    wake: () => {
      if (isWoken || running !== undefined) return
      isWoken = true
      schedule(0)
    },
    stop: async () => {
      isStarted = false
      clearTimeout(timer)
      await running
    },
  }
}
