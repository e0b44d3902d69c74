import { CommandEnd, type CommandIo, exitStatus } from './io.ts'
import { storedSession } from './session-file.ts'

/** An answer's JSON; fields are the contract's, snake_case. */
export type JsonObject = { readonly [key: string]: unknown }

/** Speaks REST with one broker as the signed-in person. */
export interface RestClient {
  readonly url: string
  get(path: string): Promise<JsonObject>
  post(
    path: string,
    body?: JsonObject,
    options?: { readonly withoutSession?: boolean },
  ): Promise<JsonObject>
  /** The answer as text, for CSV and the like. */
  text(path: string): Promise<string>
}

const timeoutMilliseconds = 30_000

export function createRestClient(io: CommandIo, url: string): RestClient {
  const send = async (method: string, path: string, body?: JsonObject, withoutSession = false) => {
    const headers: Record<string, string> = { Accept: 'application/json' }
    if (!withoutSession) headers.Authorization = `Bearer ${requireSession(io, url)}`
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    const init = {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMilliseconds),
      redirect: 'error' as const,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }
    const response = await fetch(url + path, init).catch((error: unknown) => {
      throw unreachable(url, error)
    })
    const text = await response.text()
    if (!response.ok) throw refusal(response.status, text, url)
    return text
  }
  return {
    url,
    get: async (path) => objectOf(await send('GET', path), url),
    post: async (path, body = {}, options = {}) =>
      objectOf(await send('POST', path, body, options.withoutSession), url),
    text: (path) => send('GET', path),
  }
}

function requireSession(io: CommandIo, url: string): string {
  const session = storedSession(io, url)
  if (session !== undefined) return session
  throw new CommandEnd(
    exitStatus.notSignedIn,
    `You are not signed in to ${url}. Run: hallpass login`,
    'unauthenticated',
  )
}

function objectOf(text: string, url: string): JsonObject {
  if (text === '') return {}
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    throw new CommandEnd(
      exitStatus.unreachable,
      `What answers at ${url} is not Hallpass. Check --url or HALLPASS_URL.`,
    )
  }
}

function unreachable(url: string, error: unknown): CommandEnd {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new CommandEnd(
    exitStatus.unreachable,
    `The broker at ${url} cannot be reached${code}. Is it running? Check --url or HALLPASS_URL.`,
  )
}

function refusal(status: number, text: string, url: string): CommandEnd {
  let problem: JsonObject = {}
  try {
    problem = JSON.parse(text) as JsonObject
  } catch {
    return new CommandEnd(
      exitStatus.unreachable,
      `${url} answered ${status} and is not Hallpass. Check --url.`,
    )
  }
  const code = String(problem.code ?? problem.error ?? status)
  const lines = [String(problem.detail ?? problem.error_description ?? 'refused')]
  for (const list of [problem.reasons, problem.errors]) {
    if (!Array.isArray(list)) continue
    for (const item of list as JsonObject[]) {
      lines.push(
        `  - ${item.pointer === undefined ? '' : `${String(item.pointer)} `}${String(item.message)}`,
      )
    }
  }
  if (status === 401) return new CommandEnd(exitStatus.notSignedIn, lines.join('\n'), code)
  if (status === 503) return new CommandEnd(exitStatus.unreachable, lines.join('\n'), code)
  return new CommandEnd(exitStatus.refused, lines.join('\n'), code)
}
