import { CommandEnd, type CommandIo, exitStatus } from './io.ts'
import { currentSession } from './session-file.ts'

/** An answer's JSON; fields are the contract's, snake_case. */
export type JsonObject = { readonly [key: string]: unknown }

interface SendOptions {
  /** Left out: the person's own; null: none. */
  readonly session?: string | null
}

/** Speaks REST with one broker as the signed-in person. Every refusal ends the command. */
export interface RestClient {
  readonly url: string
  get(path: string, options?: SendOptions): Promise<JsonObject>
  post(path: string, body?: JsonObject, options?: SendOptions): Promise<JsonObject>
  /** The answer as text, for CSV and the like. */
  text(path: string): Promise<string>
}

const timeoutMilliseconds = 30_000

/** `url` without a slash at its end. */
export function createRestClient(io: CommandIo, url: string): RestClient {
  const send = async (method: string, path: string, body?: JsonObject, options?: SendOptions) => {
    const headers: Record<string, string> = { Accept: 'application/json' }
    const session = options?.session === undefined ? requireSession(io, url) : options.session
    if (session !== null) headers.Authorization = `Bearer ${session}`
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    return exchange(url, path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }
  return {
    url,
    get: async (path, options) => objectOf(await send('GET', path, undefined, options), url),
    post: async (path, body = {}, options = {}) =>
      objectOf(await send('POST', path, body, options), url),
    text: (path) => send('GET', path),
  }
}

/** One call; anything but a 2xx ends the command. */
export async function exchange(url: string, path: string, init: RequestInit): Promise<string> {
  let response: Response
  let text: string
  try {
    response = await fetch(url + path, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMilliseconds),
    })
    text = await response.text()
  } catch (error) {
    throw unreachable(url, error)
  }
  if (response.ok) return text
  throw refusal(response, text, url)
}

function requireSession(io: CommandIo, url: string): string {
  const session = currentSession(io, url)
  if (session === undefined) {
    throw new CommandEnd(
      exitStatus.notSignedIn,
      `You are not signed in to ${url}. Run: hallpass login`,
      'unauthenticated',
    )
  }
  if (/^[\x21-\x7e]+$/.test(session)) return session
  throw new CommandEnd(
    exitStatus.notSignedIn,
    'HALLPASS_SESSION is no session token (hps_…).',
    'unauthenticated',
  )
}

function objectOf(text: string, url: string): JsonObject {
  if (text === '') return {}
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return { ...parsed }
  } catch {
    // told below
  }
  throw notHallpass(url, 'What answers')
}

function notHallpass(url: string, what: string): CommandEnd {
  return new CommandEnd(
    exitStatus.unreachable,
    `${what} at ${url} is not Hallpass. Check --url or HALLPASS_URL.`,
  )
}

function unreachable(url: string, error: unknown): CommandEnd {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new CommandEnd(
      exitStatus.unreachable,
      `The broker at ${url} does not answer (waited ${timeoutMilliseconds / 1000} s). Try again.`,
    )
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new CommandEnd(
    exitStatus.unreachable,
    `The broker at ${url} cannot be reached${code}. Is it running? Check --url or HALLPASS_URL.`,
  )
}

function refusal(response: Response, text: string, url: string): CommandEnd {
  const { status } = response
  if (status >= 300 && status < 400) {
    const to = response.headers.get('location') ?? 'elsewhere'
    return new CommandEnd(
      exitStatus.unreachable,
      `${url} sends on to ${to}. Give the broker's own address with --url or HALLPASS_URL.`,
    )
  }
  let problem: JsonObject
  try {
    problem = objectOf(text, url)
  } catch {
    return notHallpass(url, `What answers ${status}`)
  }
  const code = String(problem.code ?? problem.error ?? status)
  const message = messageOf(problem)
  if (status === 401) {
    return new CommandEnd(exitStatus.notSignedIn, `${message}\nRun: hallpass login`, code)
  }
  const wait = response.headers.get('retry-after')
  const advice = wait === null ? '' : `\nTry again in ${wait} s.`
  const isAway = [502, 503, 504].includes(status)
  return new CommandEnd(
    isAway ? exitStatus.unreachable : exitStatus.refused,
    message + advice,
    code,
  )
}

/** The sentence that a person reads, and below it what it leaves out. */
function messageOf(problem: JsonObject): string {
  const detail = String(problem.detail ?? problem.error_description ?? problem.title ?? 'refused')
  const lines = [detail]
  for (const list of [problem.reasons, problem.errors]) {
    for (const item of Array.isArray(list) ? (list as JsonObject[]) : []) {
      const message = String(item.message)
      if (detail.includes(message)) continue
      const pointer = item.pointer === undefined ? '' : `${String(item.pointer)} `
      lines.push(`  - ${pointer}${message}`)
    }
  }
  const pending = problem.request_id
  if (typeof pending === 'string' && !detail.includes(pending)) lines.push(`  see ${pending}`)
  return lines.join('\n')
}
