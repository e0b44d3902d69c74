import { createHash, randomBytes } from 'node:crypto'
import { CommandEnd, type CommandIo, exitStatus } from './io.ts'
import { listenForCode } from './loopback-listener.ts'
import { exchange, type JsonObject } from './rest-client.ts'

const clientId = 'hallpass-cli'

/**
 * Signs in through the browser: authorization code with PKCE to a loopback redirect (RFC 8252 §7.3,
 * RFC 7636). Gives the session token. Ends the command when the person declines or five minutes pass.
 */
export async function browserSignIn(io: CommandIo, url: string): Promise<string> {
  // a broker that is not there is told before a page is opened
  await exchange(url, '/.well-known/oauth-authorization-server', {})
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(32).toString('base64url')
  const listener = await listenForCode(state)
  try {
    const redirectUri = `http://127.0.0.1:${listener.port}/callback`
    const authorize = new URL(`${url}/oauth/authorize`)
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
    return await redeem(url, code, redirectUri, verifier)
  } finally {
    listener.close()
  }
}

async function redeem(
  url: string,
  code: string,
  redirectUri: string,
  verifier: string,
): Promise<string> {
  const text = await exchange(url, '/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  const { access_token: token } = JSON.parse(text) as JsonObject
  if (typeof token === 'string') return token
  throw new CommandEnd(exitStatus.refused, 'The broker answered without a session token.')
}
