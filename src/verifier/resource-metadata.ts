import { proofAlgorithms } from './proof-key.ts'

/** Metadata of a protected resource (RFC 9728 §2). */
export interface ResourceMetadata {
  readonly resource: string
  readonly authorization_servers: readonly string[]
  readonly bearer_methods_supported: readonly string[]
  readonly dpop_signing_alg_values_supported: readonly string[]
  readonly scopes_supported?: readonly string[]
}

const wellKnownPath = '/.well-known/oauth-protected-resource'

export function resourceMetadata(
  issuer: string,
  audience: string,
  scopes: readonly string[] | undefined,
): ResourceMetadata {
  return Object.freeze({
    resource: audience,
    authorization_servers: Object.freeze([issuer]),
    bearer_methods_supported: Object.freeze(['header']),
    dpop_signing_alg_values_supported: proofAlgorithms,
    ...(scopes === undefined ? {} : { scopes_supported: Object.freeze([...scopes]) }),
  })
}

/** Where it is to be found: between host and path of the audience (RFC 9728 §3.1); undefined for no web address. */
export function resourceMetadataUrl(audience: string): string | undefined {
  if (!URL.canParse(audience)) return undefined
  const { protocol, origin, pathname, search } = new URL(audience)
  if (protocol !== 'https:' && protocol !== 'http:') return undefined
  return `${origin}${wellKnownPath}${pathname === '/' ? '' : pathname}${search}`
}
