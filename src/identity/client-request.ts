import { OAuthError } from '../errors.ts'
import { type PresentedSecret, parseBasic } from './basic-header.ts'

/** What a token endpoint was sent, as far as it says who the client is. */
export interface ClientRequest {
  /** The `Authorization` header, whole. */
  readonly authorization: string | undefined
  readonly form: URLSearchParams
}

/** How a client presents itself. `none` is a public client that only gives its name. */
export type PresentedClient =
  | (PresentedSecret & { readonly method: 'client_secret_basic' | 'client_secret_post' })
  | {
      readonly method: 'assertion'
      readonly assertion: string
      readonly clientId: string | undefined
    }
  | { readonly method: 'none'; readonly clientId: string }

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** The one value of a form parameter; RFC 6749 §3.2 forbids a second, and an empty one counts as omitted. */
export function formValue(form: URLSearchParams, name: string): string | undefined {
  const values = form.getAll(name)
  if (values.length > 1) throw new OAuthError('invalid_request', `Send ${name} only once.`)
  const value = values[0]
  return value === '' ? undefined : value
}

/**
 * Reads how the client authenticates. Throws `invalid_request` when it uses more than one method at once
 * (RFC 6749 §2.3) and `invalid_client` when it uses none that is readable.
 */
export function presentedClient({ authorization, form }: ClientRequest): PresentedClient {
  const clientId = formValue(form, 'client_id')
  const secret = formValue(form, 'client_secret')
  const assertion = formValue(form, 'client_assertion')
  const type = formValue(form, 'client_assertion_type')
  const methods = [authorization, secret, assertion ?? type].filter((value) => value !== undefined)
  if (methods.length > 1) {
    throw new OAuthError('invalid_request', 'Use one method of client authentication, not several.')
  }
  if (authorization !== undefined) return fromHeader(authorization, clientId)
  if (assertion !== undefined || type !== undefined) {
    if (type !== assertionType || assertion === undefined) {
      throw new OAuthError(
        'invalid_request',
        `Send client_assertion with the type ${assertionType}.`,
      )
    }
    return { method: 'assertion', assertion, clientId }
  }
  if (clientId === undefined) throw new OAuthError('invalid_client', 'Say who the client is.')
  if (secret !== undefined) return { method: 'client_secret_post', clientId, secret }
  return { method: 'none', clientId }
}

function fromHeader(authorization: string, clientId: string | undefined): PresentedClient {
  const presented = parseBasic(authorization)
  if (presented === undefined) {
    throw new OAuthError('invalid_client', 'The Authorization header is not HTTP Basic.')
  }
  if (clientId !== undefined && clientId !== presented.clientId) {
    throw new OAuthError('invalid_request', 'client_id differs from the Authorization header.')
  }
  return { method: 'client_secret_basic', ...presented }
}
