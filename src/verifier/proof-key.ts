import { constants, createHash, type KeyObject, verify } from 'node:crypto'
import type { JsonObject } from './json.ts'
import { importPublicKey } from './verification-key.ts'

/** The algorithms that a proof may be signed with: asymmetric ones alone (RFC 9449 §4.3). */
export const proofAlgorithms = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const
type ProofAlgorithm = (typeof proofAlgorithms)[number]

/** The public key in a proof's header and its algorithm; undefined when they do not belong together. */
export interface ProofKey {
  readonly algorithm: ProofAlgorithm
  readonly key: KeyObject
}

export function readProofKey(alg: unknown, jwk: JsonObject): ProofKey | undefined {
  const algorithm = proofAlgorithms.find((name) => name === alg)
  if (algorithm === undefined || !isOfKind(algorithm, jwk)) return undefined
  const key = importPublicKey(jwk)
  return key === undefined ? undefined : { algorithm, key }
}

/** Never throws. */
export function isProofSignedBy(
  { algorithm, key }: ProofKey,
  signedText: string,
  signature: Uint8Array,
): boolean {
  const data = Buffer.from(signedText, 'latin1')
  try {
    switch (algorithm) {
      case 'ES256':
        return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
      case 'ES384':
        return verify('sha384', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
      case 'RS256':
        return verify('sha256', data, key, signature)
      case 'PS256': {
        const padding = constants.RSA_PKCS1_PSS_PADDING
        return verify('sha256', data, { key, padding, saltLength: 32 }, signature)
      }
      case 'EdDSA':
      case 'Ed25519':
        return verify(null, data, key, signature)
    }
  } catch {
    return false
  }
}

/** RFC 7638 §3, base64url; taken from the key that was used, not from the text that named it. */
export function thumbprintOf({ key }: Pick<ProofKey, 'key'>): string {
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' })
  // JSON leaves undefined members out, and these are in order
  const required = JSON.stringify({ crv, e, kty, n, x, y })
  return createHash('sha256').update(required).digest('base64url')
}

function isOfKind(algorithm: ProofAlgorithm, { kty, crv }: JsonObject): boolean {
  if (algorithm === 'ES256') return kty === 'EC' && crv === 'P-256'
  if (algorithm === 'ES384') return kty === 'EC' && crv === 'P-384'
  if (algorithm === 'RS256' || algorithm === 'PS256') return kty === 'RSA'
  return kty === 'OKP' && crv === 'Ed25519'
}
