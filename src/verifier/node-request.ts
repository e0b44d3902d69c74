import type { GuardedRequest } from './guard.ts'
import type { Answer } from './problem.ts'
import type { Decision } from './verifier.ts'

/** What is read of `http.IncomingMessage`. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  /** Names and values in turn, as they arrived: `headers` hides a second `Authorization`. */
  readonly rawHeaders: readonly string[]
  readonly socket?: { readonly remoteAddress?: string | undefined } | null
}

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  getHeader(name: string): unknown
  end(body?: string): unknown
  once(event: 'close', listener: () => void): unknown
}

/** `path` is the path and query that the client asked for, where a router has changed `url`. */
export function guardedRequest(request: NodeRequest, path = request.url ?? '/'): GuardedRequest {
  const { socket } = request
  const isEncrypted = socket != null && 'encrypted' in socket && socket.encrypted === true
  const [host = 'localhost'] = headerValues(request, 'host')
  return {
    identity: request,
    method: request.method ?? 'GET',
    url: `${isEncrypted ? 'https' : 'http'}://${host}${path}`,
    authorization: headerValues(request, 'authorization'),
    proofs: headerValues(request, 'dpop'),
  }
}

export function sendAnswer(response: NodeResponse, { status, headers, body }: Answer): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.end(body)
}

/** Reports the decision when the response is over, however it ends. */
export function reportWhenOver(
  decision: Decision,
  request: NodeRequest,
  response: NodeResponse,
  factsAtEnd: () => Parameters<Decision['report']>[0],
): void {
  const [userAgent] = headerValues(request, 'user-agent')
  const clientAddress = request.socket?.remoteAddress
  const bytesIn = byteCount(request.headers['content-length'])
  response.once('close', () => {
    const bytesOut = byteCount(response.getHeader('content-length'))
    const { statusCode: status } = response
    decision.report({ bytesIn, bytesOut, clientAddress, userAgent, status, ...factsAtEnd() })
  })
}

function headerValues({ rawHeaders }: NodeRequest, name: string): readonly string[] {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? '')
  }
  return values
}

/** The number in a `Content-Length`; undefined when there is none. */
function byteCount(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
