/** The access token of a request. */
export interface PresentedToken {
  readonly token: string | undefined
  /** Whether it came with the scheme `DPoP`, so that a proof must come along (RFC 9449 §7.1). */
  readonly isProofScheme: boolean
}

/**
 * Reads the `Authorization` headers of a request, all of them. Two are refused as one malformed token: which of them the
 * next hop believes cannot be known. Another scheme is no token.
 */
export function readAuthorization(values: readonly string[]): PresentedToken {
  const [value = '', ...more] = values
  if (more.length > 0) return { token: values.join(', '), isProofScheme: false }
  const [, scheme = '', token] = /^(Bearer|DPoP) +(.*?) *$/i.exec(value) ?? []
  return { token, isProofScheme: scheme.toLowerCase() === 'dpop' }
}
