import { gt, inArray, sql } from 'drizzle-orm'
import { reloadPayload, revocationChannel } from '../access/index.ts'
import type { Services } from '../context.ts'
import { type ConnectionSettings, type Listener, openListener } from '../database/index.ts'
import { revocationTable } from '../database/schema/grants.ts'
import { loggable } from '../errors.ts'
import { type LiveRevocation, LiveRevocations } from './live-revocations.ts'

/** What a subscriber is told, in order. */
export interface FeedSubscriber {
  onRevoked(revocations: readonly LiveRevocation[]): void
  /** Every revocation that committed before `at`, a time of the database, was told. */
  onHeartbeat(at: Date): void
  /** This replica's own feed is stale: trust nothing from here on. */
  onStale(): void
}

/** The whole live set as of a time of the database. */
export interface FeedSnapshot {
  readonly revocations: readonly LiveRevocation[]
  readonly asOf: Date
}

/** This replica's view of what was revoked, fed by the database as it commits. */
export interface RevocationFeed {
  start(): Promise<void>
  stop(): Promise<void>
  /** False from the moment that the view may lack something. */
  isFresh(): boolean
  /** Undefined while the feed is not fresh. `resource` leaves out what concerns other resources alone. */
  snapshot(resource: string): FeedSnapshot | undefined
  /**
   * Reads the live set once more, so that the next snapshot is as of a time after this call; calls that wait at
   * once share one reading. Rejects when it cannot be read.
   */
  refresh(): Promise<void>
  /** The live set itself, for checks in memory; only to be trusted while the feed is fresh. */
  readonly live: LiveRevocations
  subscribe(subscriber: FeedSubscriber): () => void
}

type FeedServices = Pick<Services, 'clock' | 'database' | 'log'>

const rereadMilliseconds = 30_000
const startWaitMilliseconds = 5_000

/**
 * Push and snapshot of the whole live set, never "everything after the last number": commits happen out of
 * order. The set is read at every (re)connection, after LISTEN is on, and again every 30 s.
 */
export function createRevocationFeed(
  services: FeedServices,
  connection: ConnectionSettings,
): RevocationFeed {
  const live = new LiveRevocations()
  const subscribers = new Set<FeedSubscriber>()
  let asOf: Date | undefined
  let isLoaded = false
  /** Of the listening connection; undefined while there is none. */
  let listening: symbol | undefined
  let listener: Listener | undefined
  let reread: NodeJS.Timeout | undefined
  // what is told is told one after the other, so that no heartbeat overtakes a revocation
  let queue: Promise<void> = Promise.resolve()

  const enqueue = (work: () => Promise<void> | void) => {
    queue = queue.then(work).catch((error: unknown) => {
      services.log.warn({ error: loggable(error) }, 'revocations could not be read')
      listener?.restart()
    })
  }
  const take = (found: readonly LiveRevocation[]) => {
    const added = found.filter((revocation) => live.add(revocation))
    if (added.length === 0) return
    for (const subscriber of subscribers) subscriber.onRevoked(added)
  }
  const load = async () => {
    const since = listening
    const { readAt, revocations } = await readLive(services)
    live.forget(readAt)
    take(revocations)
    // what was read before, or without, this connection's LISTEN may lack what nobody told
    if (since === undefined || since !== listening) return
    isLoaded = true
    asOf = later(asOf, readAt)
  }
  let refreshing: Promise<void> | undefined
  const refresh = () => {
    refreshing ??= new Promise((resolve, reject) => {
      enqueue(async () => {
        // whoever asks from here on needs a later reading
        refreshing = undefined
        await load().then(resolve, (error: unknown) => {
          reject(error)
          throw error
        })
      })
    })
    return refreshing
  }
  const lose = () => {
    const wasFresh = asOf !== undefined
    isLoaded = false
    asOf = undefined
    if (wasFresh) for (const subscriber of subscribers) subscriber.onStale()
  }

  const handlers = {
    onConnected: () => {
      listening = Symbol()
      enqueue(load)
    },
    onNotified: (payload: string) =>
      enqueue(async () => {
        if (payload === reloadPayload) await load()
        else take(await readRevocations(services, payload.split(' ')))
      }),
    onHeartbeat: (at: Date) => {
      const since = listening
      enqueue(() => {
        if (!isLoaded || since !== listening) return
        asOf = later(asOf, at)
        for (const subscriber of subscribers) subscriber.onHeartbeat(at)
      })
    },
    onLost: () => {
      listening = undefined
      lose()
    },
  }

  return {
    live,
    isFresh: () => asOf !== undefined,
    refresh,
    snapshot: (resource) =>
      asOf === undefined ? undefined : { revocations: live.concerning(resource), asOf },
    subscribe: (subscriber) => {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    start: async () => {
      listener = openListener(connection, revocationChannel, handlers, services)
      reread = setInterval(() => isLoaded && enqueue(load), rereadMilliseconds).unref()
      await untilFresh(() => asOf !== undefined)
    },
    stop: async () => {
      clearInterval(reread)
      await listener?.stop()
      await queue
    },
  }
}

/** A broker that cannot listen starts all the same, and is not ready. */
async function untilFresh(isFresh: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(startWaitMilliseconds)
  while (!isFresh() && !deadline.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function later(known: Date | undefined, at: Date): Date {
  return known !== undefined && known > at ? known : at
}

async function readLive({ database }: FeedServices) {
  return database.read(async (db) => {
    // asked first: whatever commits meanwhile is read too, or told
    const { rows } = await db.execute<{ read_at: Date }>(sql`select clock_timestamp() as read_at`)
    const readAt = new Date(rows[0]?.read_at ?? Number.NaN)
    const revocations = await db
      .select()
      .from(revocationTable)
      .where(gt(revocationTable.forgetAt, readAt))
    return { readAt, revocations }
  })
}

function readRevocations({ database }: FeedServices, ids: readonly string[]) {
  return database.read((db) =>
    db
      .select()
      .from(revocationTable)
      .where(inArray(revocationTable.id, [...ids])),
  )
}
