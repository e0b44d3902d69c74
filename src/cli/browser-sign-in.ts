import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { CommandEnd, type CommandIo, exitStatus } from './io.ts'
import type { RestClient } from './rest-client.ts'

const clientId = 'hallpass-cli'
const waitMilliseconds = 5 * 60_000

/**
 * Signs in through the browser: authorization code with PKCE to a loopback redirect (RFC 8252 §7.3,
 * RFC 7636). Gives the session token.
 */
export async function browserSignIn(io: CommandIo, rest: RestClient): Promise<string> {
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(32).toString('base64url')
  const listener = await listenForCode(state)
  try {
    const redirectUri = `http://127.0.0.1:${listener.port}/callback`
    const authorize = new URL(`${rest.url}/oauth/authorize`)
    authorize.search = new URLSearchParams({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }).toString()
    const isOpened = io.openBrowser(authorize.href)
    io.complain(`${isOpened ? 'Continue in your browser' : 'Open this page'}: ${authorize.href}`)
    const code = await listener.code
    return await redeem(rest, code, redirectUri, verifier)
  } finally {
    listener.close()
  }
}

async function redeem(
  rest: RestClient,
  code: string,
  redirectUri: string,
  verifier: string,
): Promise<string> {
  const response = await fetch(`${rest.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
    signal: AbortSignal.timeout(30_000),
  })
  const answer = (await response.json()) as Record<string, unknown>
  if (response.ok && typeof answer.access_token === 'string') return answer.access_token
  throw new CommandEnd(
    exitStatus.refused,
    `The broker refused the sign-in: ${String(answer.error_description ?? answer.error)}`,
    String(answer.error),
  )
}

interface CodeListener {
  readonly port: number
  readonly code: Promise<string>
  close(): void
}

function isSame(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(left), digest(right))
}

function listenForCode(state: string): Promise<CodeListener> {
  let settle: { resolve: (code: string) => void; reject: (error: Error) => void } | undefined
  const code = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // awaited later; a refusal that arrives first must not count as unhandled
  code.catch(() => {})
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (url.pathname !== '/callback' || !isSame(url.searchParams.get('state') ?? '', state)) {
      response.writeHead(404).end()
      return
    }
    const given = url.searchParams.get('code')
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' })
    response.end(
      given === null
        ? 'Nothing was signed in. You can close this page.\n'
        : 'Signed in. You can close this page.\n',
    )
    if (given === null)
      settle?.reject(
        new CommandEnd(exitStatus.refused, 'The sign-in was cancelled.', 'access_denied'),
      )
    else settle?.resolve(given)
  })
  const timer = setTimeout(() => {
    settle?.reject(new CommandEnd(exitStatus.waiting, 'Nobody signed in within five minutes.'))
  }, waitMilliseconds)
  timer.unref()
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') {
        reject(new Error('no loopback port could be opened'))
        return
      }
      resolve({
        port: address.port,
        code,
        close: () => {
          clearTimeout(timer)
          server.close()
        },
      })
    })
  })
}
