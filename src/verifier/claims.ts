import type { Access } from './access.ts'
import { isJsonObject, type JsonObject } from './json.ts'

/** What a genuine token says. Times are seconds since the epoch. */
export interface TokenClaims {
  readonly issuer: string
  readonly audience: string
  readonly issuedAt: number
  readonly notBefore: number
  readonly expiresAt: number
  /** SHA-256 thumbprint of the key that the token is bound to (RFC 9449 §6.1). */
  readonly keyThumbprint: string | undefined
  /** How and when the person signed in, when the token tells (RFC 9068 §2.2.1). */
  readonly authenticationClass: string | undefined
  readonly authenticatedAt: number | undefined
  readonly access: Access
}

/**
 * Reads the claims of RFC 9068 §2.2 and ours. Undefined when one is missing or of another type, and for a binding that
 * this verifier cannot check: taking such a token as a bearer token would widen it.
 */
export function readClaims(payload: JsonObject): TokenClaims | undefined {
  const { iss, aud, sub, client_id, scope, iat, nbf, exp, jti, grant_id, acr, auth_time } = payload
  const keyThumbprint = readBinding(payload.cnf)
  if (keyThumbprint === null) return undefined
  if (!isText(iss) || !isText(aud) || !isText(sub) || !isText(client_id)) return undefined
  if (!isText(jti) || !isText(grant_id) || typeof scope !== 'string') return undefined
  if (!isInstant(iat) || !isInstant(exp) || (nbf !== undefined && !isInstant(nbf))) return undefined
  const scopes = [...new Set(scope.split(' ').filter((name) => name !== ''))]
  return {
    issuer: iss,
    audience: aud,
    issuedAt: iat,
    notBefore: nbf ?? iat,
    expiresAt: exp,
    keyThumbprint,
    authenticationClass: isText(acr) ? acr : undefined,
    authenticatedAt: isInstant(auth_time) ? auth_time : undefined,
    access: Object.freeze({
      subject: sub,
      clientId: client_id,
      scopes: Object.freeze(scopes),
      grantId: grant_id,
      tokenId: jti,
      issuedAt: new Date(iat * 1000),
      expiresAt: new Date(exp * 1000),
      isProofBound: keyThumbprint !== undefined,
    }),
  }
}

/** The thumbprint; undefined without a binding; null for a binding of another kind. */
function readBinding(cnf: unknown): string | undefined | null {
  if (cnf === undefined) return undefined
  if (!isJsonObject(cnf) || Object.keys(cnf).length !== 1) return null
  return isText(cnf.jkt) ? cnf.jkt : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** Whole or fractional seconds (RFC 7519 §2) that a Date can hold. */
function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= 8_640_000_000_000
}
