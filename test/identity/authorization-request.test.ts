import { beforeAll, describe, expect, it } from 'vitest'
import { type Catalog, parseCatalog } from '../../src/catalog/index.ts'
import {
  answerLocation,
  readAuthorizationRequest,
} from '../../src/identity/authorization-request.ts'
import { companyCatalog } from './company-catalog.ts'

const issuer = 'https://hallpass.example.com'
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

const good = {
  response_type: 'code',
  client_id: 'hallpass-cli',
  redirect_uri: 'http://127.0.0.1:53682/callback',
  code_challenge: challenge,
  code_challenge_method: 'S256',
  state: 'xyz',
}

let catalog: Catalog

function read(parameters: Record<string, string> | URLSearchParams) {
  return readAuthorizationRequest(catalog, new URLSearchParams(parameters), issuer)
}

function without(name: keyof typeof good): Record<string, string> {
  return Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))
}

describe('readAuthorizationRequest', () => {
  beforeAll(() => {
    const parsed = parseCatalog(companyCatalog)
    if (parsed.catalog === undefined) throw new Error(JSON.stringify(parsed.faults))
    catalog = parsed.catalog
  })

  it('takes the command line without a catalog entry', () => {
    expect(read(good)).toEqual({
      clientId: 'hallpass-cli',
      clientTitle: 'Hallpass command line',
      redirectUri: good.redirect_uri,
      codeChallenge: challenge,
      state: 'xyz',
    })
  })

  it('takes a client that the catalog declares, by its title', () => {
    expect(read({ ...good, client_id: 'dashboard' })).toMatchObject({
      clientTitle: 'Dashboard <b>&amp;</b>',
    })
  })

  it.each([
    'http://127.0.0.1/',
    'http://127.0.0.1:1/x?y=z',
    'http://[::1]:8765/callback',
    'http://localhost:65535/callback',
  ])('takes the loopback address %s on any port', (redirect_uri) => {
    expect(read({ ...good, redirect_uri })).toMatchObject({ redirectUri: redirect_uri })
  })

  it.each([
    'https://127.0.0.1:8080/callback',
    'https://evil.example/callback',
    'http://127.0.0.1.evil.example/callback',
    'http://127.0.0.1:80@evil.example/',
    'http://localhost.evil.example/',
    'http://user:password@127.0.0.1:8080/',
    'http://127.0.0.1:8080/callback#fragment',
    'http://127.0.0.1:8080/callback#',
    'http://0.0.0.0:8080/',
    'http://10.0.0.1:8080/',
    'http://127.0.0.1:99999/',
    'http://127.0.0.1:8080/\r\nSet-Cookie: a=b',
    'http:\\\\evil.example',
    '//127.0.0.1:8080/',
    '/callback',
    'javascript:alert(1)',
    'hallpass://callback',
    '',
  ])('sends nobody to %j', (redirect_uri) => {
    expect(read({ ...good, redirect_uri })).toMatchObject({ kind: 'refuse' })
  })

  it.each(['', 'unknown', 'invoice-bot', 'billing-api', '__proto__', 'constructor'])(
    'does not know the client %j',
    (client_id) => {
      expect(read({ ...good, client_id })).toMatchObject({ kind: 'refuse' })
    },
  )

  it('refuses two clients or two addresses in one request', () => {
    for (const name of ['client_id', 'redirect_uri']) {
      const twice = new URLSearchParams(good)
      twice.append(name, good.redirect_uri)
      expect(read(twice)).toMatchObject({ kind: 'refuse' })
    }
  })

  it.each([
    ['no PKCE', without('code_challenge'), 'invalid_request'],
    [
      'no PKCE method (which would mean plain)',
      without('code_challenge_method'),
      'invalid_request',
    ],
    ['plain PKCE', { ...good, code_challenge_method: 'plain' }, 'invalid_request'],
    ['a challenge of another length', { ...good, code_challenge: 'short' }, 'invalid_request'],
    [
      'a challenge in another alphabet',
      { ...good, code_challenge: '+'.repeat(43) },
      'invalid_request',
    ],
    ['an implicit answer', { ...good, response_type: 'token' }, 'unsupported_response_type'],
    ['no response type', without('response_type'), 'unsupported_response_type'],
    ['a fragment answer', { ...good, response_mode: 'fragment' }, 'invalid_request'],
    ['an endless state', { ...good, state: 'x'.repeat(1_001) }, 'invalid_request'],
  ])('tells the client about %s', (_name, parameters, error) => {
    const fault = read(parameters)
    expect(fault).toMatchObject({ kind: 'redirect' })
    const location = new URL('location' in fault ? fault.location : '')
    expect(location.origin + location.pathname).toBe(good.redirect_uri)
    expect(location.searchParams.get('error')).toBe(error)
    expect(location.searchParams.get('iss')).toBe(issuer)
    expect(location.searchParams.get('state')).toBe(new URLSearchParams(parameters).get('state'))
    expect(location.searchParams.has('code')).toBe(false)
  })

  it('tells the client about a parameter sent twice', () => {
    const twice = new URLSearchParams(good)
    twice.append('code_challenge', challenge)
    expect(read(twice)).toMatchObject({ kind: 'redirect' })
  })
})

describe('answerLocation', () => {
  it('keeps the query of the address and replaces what it answers', () => {
    const location = answerLocation('http://127.0.0.1:1/cb?keep=1&code=planted', {
      code: 'real',
      state: undefined,
    })
    expect(location).toBe('http://127.0.0.1:1/cb?keep=1&code=real')
  })
})
