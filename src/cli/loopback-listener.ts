import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { CommandEnd, exitStatus } from './io.ts'

/** Waits on a loopback port for the browser to come back with a code. */
interface CodeListener {
  readonly port: number
  /** Rejects when the person declined, or nobody came within five minutes. */
  readonly code: Promise<string>
  close(): void
}

const waitMilliseconds = 5 * 60_000

/** Takes `GET /callback` with exactly this `state`; everything else is not found (RFC 8252 §8.9). */
export async function listenForCode(state: string): Promise<CodeListener> {
  const waiting = pendingCode()
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const isOurs =
      request.method === 'GET' &&
      url.pathname === '/callback' &&
      isSame(url.searchParams.get('state') ?? '', state)
    if (!isOurs) return answer(response, 404, 'There is nothing here.')
    const code = url.searchParams.get('code')
    if (code !== null) {
      answer(response, 200, 'Signed in. You can close this page.')
      return waiting.resolve(code)
    }
    answer(response, 200, 'Nothing was signed in. You can close this page.')
    waiting.reject(declined(url.searchParams))
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('no loopback port could be opened'))
    })
  })
  const timer = setTimeout(() => {
    waiting.reject(new CommandEnd(exitStatus.waiting, 'Nobody signed in within five minutes.'))
  }, waitMilliseconds)
  return {
    port,
    code: waiting.promise,
    close: () => {
      clearTimeout(timer)
      server.close()
    },
  }
}

function declined(answer: URLSearchParams): CommandEnd {
  const code = answer.get('error') ?? 'access_denied'
  const said = answer.get('error_description')
  const message = said === null ? 'The sign-in was cancelled.' : `The sign-in failed: ${said}`
  return new CommandEnd(exitStatus.refused, message, code)
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
    Connection: 'close',
  })
  response.end(`${text}\n`)
}

function isSame(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(left), digest(right))
}

function pendingCode() {
  let settle: { resolve: (code: string) => void; reject: (error: Error) => void } | undefined
  const promise = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // awaited later; a refusal that arrives first must not count as unhandled
  promise.catch(() => {})
  return {
    promise,
    resolve: (code: string) => settle?.resolve(code),
    reject: (error: Error) => settle?.reject(error),
  }
}
