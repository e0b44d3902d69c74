import { describe, expect, it } from 'vitest'
import { OAuthError } from '../../src/errors.ts'
import { formValue, presentedClient } from '../../src/identity/client-request.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const basic = `Basic ${Buffer.from('bot:secret').toString('base64')}`

function refusalOf(form: Record<string, string> | URLSearchParams, authorization?: string): string {
  try {
    presentedClient({ authorization, form: new URLSearchParams(form) })
  } catch (error) {
    if (error instanceof OAuthError) return error.code
    throw error
  }
  return 'accepted'
}

describe('presentedClient', () => {
  it.each([
    ['client_secret_basic', {}, basic, { clientId: 'bot', secret: 'secret' }],
    ['client_secret_basic', { client_id: 'bot' }, basic, { clientId: 'bot', secret: 'secret' }],
    [
      'client_secret_post',
      { client_id: 'bot', client_secret: 'secret' },
      undefined,
      { clientId: 'bot', secret: 'secret' },
    ],
    [
      'assertion',
      { client_assertion: 'a.b.c', client_assertion_type: assertionType },
      undefined,
      { assertion: 'a.b.c', clientId: undefined },
    ],
    ['none', { client_id: 'hallpass-cli' }, undefined, { clientId: 'hallpass-cli' }],
  ])('recognises %s', (method, form, authorization, rest) => {
    const presented = presentedClient({ authorization, form: new URLSearchParams(form) })
    expect(presented).toEqual({ method, ...rest })
  })

  it.each([
    ['header and secret', { client_id: 'bot', client_secret: 'secret' }, basic],
    [
      'header and assertion',
      { client_assertion: 'a', client_assertion_type: assertionType },
      basic,
    ],
    ['header and a lone assertion type', { client_assertion_type: assertionType }, basic],
    [
      'secret and assertion',
      {
        client_id: 'bot',
        client_secret: 's',
        client_assertion: 'a',
        client_assertion_type: assertionType,
      },
      undefined,
    ],
  ])('refuses two methods at once: %s', (_name, form, authorization) => {
    expect(refusalOf(form, authorization)).toBe('invalid_request')
  })

  it('refuses a client_id that differs from the header', () => {
    expect(refusalOf({ client_id: 'another' }, basic)).toBe('invalid_request')
  })

  it('refuses a parameter sent twice, even with one value', () => {
    expect(refusalOf(new URLSearchParams('client_id=a&client_id=a&client_secret=s'))).toBe(
      'invalid_request',
    )
  })

  it.each([
    ['an assertion without its type', { client_assertion: 'a' }],
    ['a type without its assertion', { client_assertion_type: assertionType }],
    ['an assertion of a strange type', { client_assertion: 'a', client_assertion_type: 'saml' }],
  ])('refuses %s', (_name, form) => {
    expect(refusalOf(form)).toBe('invalid_request')
  })

  it.each([
    ['nothing at all', {}, undefined],
    ['a secret without a name', { client_secret: 'secret' }, undefined],
    ['a Bearer token', {}, 'Bearer hps_abc'],
    ['an empty header', {}, ''],
  ])('does not know the client from %s', (_name, form, authorization) => {
    expect(refusalOf(form, authorization)).toBe('invalid_client')
  })

  it('counts an empty parameter as left out', () => {
    expect(formValue(new URLSearchParams('scope='), 'scope')).toBeUndefined()
  })
})
