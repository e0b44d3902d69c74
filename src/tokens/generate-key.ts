import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { TokenAlgorithm } from './signing-key.ts'

/** A new pair: `kid` is the RFC 7638 thumbprint of the public key. */
export interface GeneratedKey {
  readonly kid: string
  readonly algorithm: TokenAlgorithm
  readonly publicJwk: Readonly<Record<string, unknown>>
  readonly privateJwk: JWK
}

/** Makes a signing key: RSA of 2048 bits, P-256 or Ed25519. */
export async function generateKey(algorithm: TokenAlgorithm): Promise<GeneratedKey> {
  const pair = await generateKeyPair(algorithm, { extractable: true, modulusLength: 2048 })
  const publicJwk = await exportJWK(pair.publicKey)
  const kid = await calculateJwkThumbprint(publicJwk)
  return {
    kid,
    algorithm,
    publicJwk: { ...publicJwk, kid, use: 'sig', alg: algorithm },
    privateJwk: await exportJWK(pair.privateKey),
  }
}
