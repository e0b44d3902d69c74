import type { Context } from 'hono'
import type { Log } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { answerError } from './answers.ts'
import { statusOf } from './problem.ts'
import { refusalPage } from './sign-in-pages.tsx'

/** Answers a page's refusal with a page; what nobody expected is answered as everywhere. */
export function answerRefusalPage(
  c: Context,
  error: unknown,
  log: Log,
): Response | Promise<Response> {
  if (!(error instanceof HallpassError)) return answerError(c, error, log)
  if (error.code === 'cannot_decide') {
    const cause = error.options.cause
    log.warn({ cause: cause instanceof Error ? cause.name : undefined }, error.message)
    c.header('Retry-After', '5')
    return refusalPage(c, { title: 'Not available now', message: error.message, status: 503 })
  }
  if (error.code === 'rate_limited') {
    c.header('Retry-After', String(error.options.retryAfterSeconds ?? 1))
    return refusalPage(c, { title: 'Too many tries', message: error.message, status: 429 })
  }
  if (error.code === 'unauthenticated') {
    const returnTo = '/sign-in'
    return refusalPage(c, { title: 'Not signed in', message: error.message, status: 403, returnTo })
  }
  return refusalPage(c, {
    title: 'Not permitted',
    message: error.message,
    status: statusOf(error.code),
  })
}
