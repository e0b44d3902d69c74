import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Log } from '../context.ts'
import { type ErrorCode, HallpassError, OAuthError } from '../errors.ts'
import { challengeOf } from './authentication.ts'
import { oauthStatusOf, problemOf, statusOf } from './problem.ts'

const problemType = { 'Content-Type': 'application/problem+json' }

/** Answers a refusal as RFC 9457 says. */
export function answerProblem(c: Context, error: HallpassError): Response {
  const headers: Record<string, string> = {
    ...problemType,
    'Cache-Control': 'no-store',
    ...transportHeaders(error),
  }
  if (error.code === 'unauthenticated') headers['WWW-Authenticate'] = challengeOf(c)
  return c.body(JSON.stringify(problemOf(error)), statusOf(error.code), headers)
}

/** Answers an OAuth endpoint's refusal as RFC 6749 §5.2 says. */
function answerOAuthError(
  c: Context,
  error: OAuthError,
  status: ContentfulStatusCode = oauthStatusOf(error.code),
  extra: Readonly<Record<string, string>> = {},
): Response {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store', Pragma: 'no-cache' }
  if (error.code === 'invalid_client') headers['WWW-Authenticate'] = 'Basic realm="hallpass"'
  if (error.code === 'temporarily_unavailable') headers['Retry-After'] = '2'
  const body = { error: error.code, error_description: printable(error.message) }
  return c.json(body, status, { ...headers, ...extra })
}

const keptStatuses: ReadonlySet<ErrorCode> = new Set(['rate_limited', 'too_large', 'cannot_decide'])

/** The same for an operation's refusal; what HTTP itself says of time and size, it says here too. */
function answerAsOAuth(c: Context, error: HallpassError): Response {
  const status = keptStatuses.has(error.code) ? statusOf(error.code) : undefined
  return answerOAuthError(c, oauthErrorOf(error), status, transportHeaders(error))
}

function transportHeaders({ code, options }: HallpassError): Record<string, string> {
  const seconds = options.retryAfterSeconds ?? (code === 'cannot_decide' ? 2 : undefined)
  return {
    ...(code === 'too_large' ? { Connection: 'close' } : {}),
    ...(seconds === undefined ? {} : { 'Retry-After': String(Math.ceil(seconds)) }),
  }
}

/** The last resort for everything a route throws: a known refusal, or a 500 that tells nothing. */
export function answerError(c: Context, error: unknown, log: Log): Response {
  const isOAuth = c.req.path.startsWith('/oauth/')
  if (error instanceof HallpassError) {
    return isOAuth ? answerAsOAuth(c, error) : answerProblem(c, error)
  }
  if (error instanceof OAuthError) return answerOAuthError(c, error)
  if (error instanceof HTTPException) return error.getResponse()
  // nobody hears this
  if (isCallerGone(error)) return c.body(null, 400)
  log.error({ error: describe(error), method: c.req.method, route: c.req.routePath }, 'unexpected')
  const detail = 'Something went wrong on our side. Try again; if it goes on, tell the operators.'
  if (isOAuth) return answerOAuthError(c, new OAuthError('server_error', detail))
  return c.body(
    JSON.stringify({
      type: 'urn:hallpass:problem:internal_error',
      title: 'Internal error',
      status: 500,
      code: 'internal_error',
      detail,
    }),
    500,
    problemType,
  )
}

/** Node's own error for a caller that hung up before its body was whole; the database's come translated. */
function isCallerGone(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === 'ECONNRESET' && error.message === 'aborted'
}

/** An operation behind an OAuth endpoint may refuse with a code of ours: the nearest of theirs. */
function oauthErrorOf(error: HallpassError): OAuthError {
  switch (error.code) {
    case 'cannot_decide':
      return new OAuthError('temporarily_unavailable', error.message)
    case 'unauthenticated':
      return new OAuthError('invalid_client', error.message)
    case 'rate_limited':
      return new OAuthError('temporarily_unavailable', error.message)
    case 'invalid_input':
    case 'too_large':
    case 'unsupported_media_type':
      return new OAuthError('invalid_request', error.message)
    default:
      return new OAuthError('access_denied', error.message)
  }
}

/** RFC 6749 §5.2 allows only these characters in error_description. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
}

/** What may be logged of an unexpected error: its kind and place, not what it was given. */
function describe(error: unknown): object {
  if (!(error instanceof Error)) return { name: typeof error }
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '))
  const isOurs = error.name === 'DatabaseError' || error instanceof TypeError
  return { name: error.name, ...(isOurs ? { message: error.message } : {}), at: frames.slice(0, 6) }
}
