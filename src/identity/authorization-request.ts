import type { Catalog } from '../catalog/index.ts'
import { isLoopbackUrl } from './loopback.ts'

/** The command line is a client of every broker, without being in the catalog. */
export const commandLineClient = 'hallpass-cli'

/** A checked request to `/oauth/authorize` (RFC 6749 §4.1.1, RFC 7636 §4.3). */
export interface AuthorizationRequest {
  readonly clientId: string
  /** What people call the client. */
  readonly clientTitle: string
  readonly redirectUri: string
  readonly codeChallenge: string
  readonly state: string | undefined
}

/**
 * `refuse`: nobody is sent anywhere, because client or address cannot be trusted (RFC 6749 §4.1.2.1).
 * `redirect`: the client is told by way of its own address.
 */
export type AuthorizationFault =
  | { readonly kind: 'refuse'; readonly message: string }
  | { readonly kind: 'redirect'; readonly location: string }

/** The title of a client that may send people to `/oauth/authorize`; undefined when there is none such. */
export function clientTitle(catalog: Catalog, clientId: string): string | undefined {
  if (clientId === commandLineClient) return 'Hallpass command line'
  return catalog.clients.get(clientId)?.title
}

/**
 * Checks the parameters of an authorization request. Public clients only: PKCE with S256 is required, and the
 * code goes nowhere but to a loopback address, on any port (RFC 8252 §7.3).
 */
export function readAuthorizationRequest(
  catalog: Catalog,
  parameters: URLSearchParams,
  issuer: string,
): AuthorizationRequest | AuthorizationFault {
  const clientId = single(parameters, 'client_id')
  const title = clientId === undefined ? undefined : clientTitle(catalog, clientId)
  if (clientId === undefined || title === undefined) {
    return { kind: 'refuse', message: 'No client of this name may sign people in here.' }
  }
  const redirectUri = single(parameters, 'redirect_uri')
  if (redirectUri === undefined || !isLoopbackRedirect(redirectUri)) {
    return {
      kind: 'refuse',
      message:
        'The client wants the sign-in sent to an address that is not on your own machine. Nothing was sent.',
    }
  }
  const state = single(parameters, 'state')
  const fault = faultOf(parameters)
  if (fault !== undefined) {
    const [error, description] = fault
    const location = answerLocation(redirectUri, {
      error,
      error_description: description,
      state,
      iss: issuer,
    })
    return { kind: 'redirect', location }
  }
  const codeChallenge = parameters.get('code_challenge') ?? ''
  return { clientId, clientTitle: title, redirectUri, codeChallenge, state }
}

/** The client's address with the answer in its query. */
export function answerLocation(
  redirectUri: string,
  answer: Readonly<Record<string, string | undefined>>,
): string {
  const url = new URL(redirectUri)
  for (const [name, value] of Object.entries(answer)) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return url.href
}

function single(parameters: URLSearchParams, name: string): string | undefined {
  const values = parameters.getAll(name)
  return values.length === 1 && values[0] !== '' ? values[0] : undefined
}

function isLoopbackRedirect(redirectUri: string): boolean {
  if (redirectUri.length > 500 || !/^[\x21-\x7e]+$/.test(redirectUri)) return false
  if (!URL.canParse(redirectUri)) return false
  const url = new URL(redirectUri)
  const isPlain = url.username === '' && url.password === '' && !redirectUri.includes('#')
  return isPlain && isLoopbackUrl(url)
}

const parameterNames = [
  'response_type',
  'code_challenge',
  'code_challenge_method',
  'state',
  'scope',
  'response_mode',
]

function faultOf(parameters: URLSearchParams): [code: string, description: string] | undefined {
  for (const name of parameterNames) {
    if (parameters.getAll(name).length > 1) return ['invalid_request', `Send ${name} only once.`]
  }
  if (parameters.get('response_type') !== 'code') {
    return ['unsupported_response_type', 'Use response_type code.']
  }
  if ((parameters.get('response_mode') ?? 'query') !== 'query') {
    return ['invalid_request', 'Use response_mode query.']
  }
  if (parameters.get('code_challenge_method') !== 'S256') {
    return ['invalid_request', 'Use PKCE with code_challenge_method S256.']
  }
  // a SHA-256 in base64url is 43 characters, always
  if (!/^[A-Za-z0-9_-]{43}$/.test(parameters.get('code_challenge') ?? '')) {
    return ['invalid_request', 'Send a code_challenge of 43 characters (RFC 7636).']
  }
  if ((parameters.get('state') ?? '').length > 1_000)
    return ['invalid_request', 'state is too long.']
  return undefined
}
