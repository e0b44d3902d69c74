/** A session lives at most this long, however busy. */
export const sessionLifetimeSeconds = 8 * 60 * 60
/** A session that nobody used for this long is over. */
export const sessionIdleSeconds = 30 * 60
/** A workload signs in again rather than idling, so its client may rely on `expires_in`. */
export const workloadSessionSeconds = 30 * 60
/** How often the last use is written, at most. */
const lastSeenGranularitySeconds = 60

/** Which door a session belongs to; a `browser` session is a cookie, every other a Bearer token. */
export type SessionVia = 'api' | 'cli' | 'browser' | 'client_credentials' | 'device'

interface SessionTimes {
  readonly lastSeenAt: Date
  readonly expiresAt: Date
  readonly endedAt: Date | null
}

/** Whether a session still counts; decided by its times alone, whatever jobs ran. */
export function isSessionLive(session: SessionTimes, now: Date): boolean {
  if (session.endedAt !== null || now.getTime() >= session.expiresAt.getTime()) return false
  return now.getTime() - session.lastSeenAt.getTime() < sessionIdleSeconds * 1000
}

/** Whether the last use is old enough to be written again. */
export function isLastSeenStale(lastSeenAt: Date, now: Date): boolean {
  return now.getTime() - lastSeenAt.getTime() >= lastSeenGranularitySeconds * 1000
}

/** Tokens and cookies start differently, so that one is never taken for the other. */
export function secretPrefix(via: SessionVia): 'hps_' | 'hpb_' {
  return via === 'browser' ? 'hpb_' : 'hps_'
}
