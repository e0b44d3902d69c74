import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Clock, Log } from '../context.ts'
import type { ConnectionSettings } from './database.ts'

const beatMilliseconds = 1_000
/** Without a heartbeat for so long the connection proves nothing any more. */
const silenceMilliseconds = 3_000
const longestPauseMilliseconds = 2_000

export interface ListenerHandlers {
  /** LISTEN is on: whatever commits from now on will be told. Load what was there before. */
  onConnected(): void
  onNotified(payload: string): void
  /**
   * Everything that committed before `at`, a time of the database, was told before this call: Postgres
   * delivers notifications in the order of their commits.
   */
  onHeartbeat(at: Date): void
  /** Nothing is known from here on, until onConnected is called again. */
  onLost(): void
}

/** A connection of its own that listens to one channel. */
export interface Listener {
  /** Drops the connection and makes another. */
  restart(): void
  stop(): Promise<void>
}

/**
 * Listens until stopped, through reconnections. A backend can freeze without an error, so the connection sends
 * itself a heartbeat every second and is given up when none came back for three.
 */
export function openListener(
  settings: ConnectionSettings,
  channel: string,
  handlers: ListenerHandlers,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Listener {
  const stopping = new AbortController()
  let current: Connection | undefined

  async function run(): Promise<void> {
    let pause = 50
    while (!stopping.signal.aborted) {
      current = createConnection(settings, channel, handlers, clock)
      const wasConnected = await current.untilLost()
      current = undefined
      if (wasConnected) {
        handlers.onLost()
        pause = 50
      }
      if (stopping.signal.aborted) return
      log.warn({ channel, retry_in_ms: pause }, 'the listening connection was lost')
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => {})
      pause = Math.min(pause * 2, longestPauseMilliseconds)
    }
  }

  const running = run()
  return {
    restart: () => current?.drop(),
    stop: async () => {
      stopping.abort()
      current?.drop()
      await running
    },
  }
}

interface Connection {
  /** Resolves when the connection is gone; true when it had been listening. */
  untilLost(): Promise<boolean>
  drop(): void
}

function createConnection(
  settings: ConnectionSettings,
  channel: string,
  handlers: ListenerHandlers,
  clock: Clock,
): Connection {
  const socket = new Socket()
  const client = new pg.Client({
    ...settings,
    application_name: 'hallpass-listener',
    connectionTimeoutMillis: 5_000,
    stream: () => socket,
  })
  const heartbeatChannel = `hallpass_heartbeat_${randomBytes(8).toString('hex')}`
  let lastBeatAt = clock.monotonicMilliseconds()
  let isGone = false
  const timers: NodeJS.Timeout[] = []
  let settle: () => void = () => {}
  const gone = new Promise<void>((resolve) => {
    settle = resolve
  })
  const drop = () => {
    isGone = true
    for (const timer of timers.splice(0)) clearInterval(timer)
    // `end` would wait for a frozen backend
    socket.destroy()
    settle()
  }
  client.on('error', drop)
  client.on('end', drop)
  client.on('notification', ({ channel: from, payload = '' }) => {
    if (isGone) return
    if (from === channel) handlers.onNotified(payload)
    if (from !== heartbeatChannel) return
    lastBeatAt = clock.monotonicMilliseconds()
    handlers.onHeartbeat(new Date(payload))
  })

  const beat = () => {
    client
      .query(
        `select pg_notify($1, to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`,
        [heartbeatChannel],
      )
      .catch(drop)
  }
  const isSilent = () => clock.monotonicMilliseconds() - lastBeatAt > silenceMilliseconds
  const watch = () => {
    // a busy process must read its socket before it believes the silence
    if (isSilent()) setImmediate(() => setImmediate(() => isSilent() && drop()))
  }

  const connect = async (): Promise<boolean> => {
    try {
      await client.connect()
      await client.query(`listen ${client.escapeIdentifier(channel)}`)
      await client.query(`listen ${client.escapeIdentifier(heartbeatChannel)}`)
    } catch {
      drop()
    }
    if (isGone) return false
    lastBeatAt = clock.monotonicMilliseconds()
    handlers.onConnected()
    timers.push(setInterval(beat, beatMilliseconds), setInterval(watch, beatMilliseconds / 2))
    beat()
    await gone
    return true
  }
  return { untilLost: connect, drop }
}
