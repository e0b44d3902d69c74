import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { JsonObject } from './json.ts'

/** The algorithms that Hallpass signs tokens with (RFC 7518 §3.1, RFC 8037 §3.1). */
export type TokenAlgorithm = 'RS256' | 'ES256' | 'EdDSA'

/** A public key, and the one algorithm that it may be used with. */
export interface VerificationKey {
  readonly kid: string
  readonly algorithm: TokenAlgorithm
  readonly key: KeyObject
}

const shortestModulusBits = 2048
const longestModulusBits = 8192

/**
 * A key of a key set (RFC 7517 §4); undefined when it is not for checking signatures of tokens: another use, another
 * kind, or an algorithm that does not belong to its kind.
 */
export function toVerificationKey(jwk: JsonObject): VerificationKey | undefined {
  const { kid, use, alg } = jwk
  if (typeof kid !== 'string' || kid === '' || (use !== undefined && use !== 'sig'))
    return undefined
  const algorithm = algorithmOf(jwk)
  if (algorithm === undefined || (alg !== undefined && alg !== algorithm)) return undefined
  const key = importPublicKey(jwk)
  return key === undefined ? undefined : { kid, algorithm, key }
}

/** Undefined for what is no public key, and for RSA keys that are too weak to trust or too long to be harmless. */
export function importPublicKey(jwk: JsonObject): KeyObject | undefined {
  if ('d' in jwk || 'k' in jwk) return undefined
  try {
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {}
    if (modulusLength !== undefined) {
      if (modulusLength < shortestModulusBits || modulusLength > longestModulusBits)
        return undefined
      if (publicExponent === undefined || publicExponent > 0xffffffffn) return undefined
    }
    return key
  } catch {
    return undefined
  }
}

/** Checks a signature synchronously: the thread pool costs more than the check. Never throws. */
export function isSignedBy(
  { algorithm, key }: Pick<VerificationKey, 'algorithm' | 'key'>,
  signedText: string,
  signature: Uint8Array,
): boolean {
  try {
    const data = Buffer.from(signedText, 'latin1')
    switch (algorithm) {
      case 'RS256':
        return verify('sha256', data, key, signature)
      case 'ES256':
        return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
      case 'EdDSA':
        return verify(null, data, key, signature)
    }
  } catch {
    return false
  }
}

function algorithmOf({ kty, crv }: JsonObject): TokenAlgorithm | undefined {
  if (kty === 'RSA') return 'RS256'
  if (kty === 'EC' && crv === 'P-256') return 'ES256'
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined
}
