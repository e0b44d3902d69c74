import type { Context } from 'hono'
import { type Actor, anonymous } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { authenticateResource, authenticateSession } from '../identity/index.ts'
import type { HttpServices } from './services.ts'

/** How a route knows its caller: a session's Bearer token, a resource's own credential, either, or not at all. */
export type Authentication = 'session' | 'resource' | 'none'

const challengeKey = 'challenge'

/** What a 401 asks for (RFC 9110 §11.6.1): the scheme that this route takes. */
export function challengeOf(c: Context): string {
  return `${c.get(challengeKey) === 'Basic' ? 'Basic' : 'Bearer'} realm="hallpass"`
}

/** Reads `Authorization: Bearer …` (RFC 6750 §2.1). Two headers, or another scheme, are refused. */
export function bearerOf(c: Context): string {
  const match = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(c.req.header('authorization') ?? '')
  if (match?.[1] === undefined) {
    throw new HallpassError(
      'unauthenticated',
      'Send a session token as `Authorization: Bearer hps_…`. Sign in with `hallpass login` to get one.',
    )
  }
  return match[1]
}

export const authenticators: Record<
  Authentication,
  (c: Context, services: HttpServices) => Promise<Actor>
> = {
  none: async () => anonymous,
  session: (c, services) => authenticateSession(services, bearerOf(c)),
  resource: (c, services) => {
    c.set(challengeKey, 'Basic')
    return authenticateResource(services, c.req.header('authorization') ?? '')
  },
}
