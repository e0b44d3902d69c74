import { createHash } from 'node:crypto'
import { parseCompactToken, payloadOf } from './compact-token.ts'
import { isJsonObject } from './json.ts'
import { isProofSignedBy, readProofKey, thumbprintOf } from './proof-key.ts'

/** A DPoP proof as a request carried it (RFC 9449 §4). */
export interface PresentedProof {
  /** The `DPoP` header; undefined when there was none. Two of them joined by a comma are refused. */
  readonly header: string | undefined
  /** The request's method. */
  readonly method: string
  /** The request's absolute URL as its sender wrote it; query and fragment do not count. */
  readonly url: string
  /** Stands for the request. The same request may be checked again with the same proof, by a second guard. */
  readonly request?: object | undefined
}

/** How old a proof may be, in ms. */
export const proofLifetimeMilliseconds = 60_000
/** How far its sender's clock may be ahead, in ms. */
export const proofToleranceMilliseconds = 5_000

const longestIdentifier = 512

/** A proof that holds, if it was not used before: `identity` stands for its key and `jti`. */
export type ProofCheck = { readonly identity: string } | { readonly fault: string }

/**
 * The checks of RFC 9449 §4.3, but for whether the proof was used before. `now` is milliseconds since the epoch;
 * `keyThumbprint` is the token's `cnf.jkt`.
 */
export function checkProof(
  proof: PresentedProof,
  token: string,
  keyThumbprint: string,
  now: number,
): ProofCheck {
  if (proof.header === undefined) return { fault: 'The request carries no DPoP proof.' }
  const compact = parseCompactToken(proof.header)
  const { typ, alg, jwk } = compact?.header ?? {}
  if (compact === undefined || typ !== 'dpop+jwt' || !isJsonObject(jwk)) {
    return { fault: 'The DPoP header is not one proof.' }
  }
  const key = readProofKey(alg, jwk)
  if (key === undefined) return { fault: 'The proof names no key and algorithm that may be used.' }
  if (!isProofSignedBy(key, compact.signedText, compact.signature)) {
    return { fault: 'The signature of the proof does not hold.' }
  }
  const { jti, htm, htu, iat, ath } = payloadOf(compact) ?? {}
  if (typeof jti !== 'string' || jti === '' || jti.length > longestIdentifier) {
    return { fault: 'The proof has no identifier.' }
  }
  if (htm !== proof.method) return { fault: 'The proof is for another method.' }
  if (typeof htu !== 'string' || !isSameTarget(htu, proof.url)) {
    return { fault: 'The proof is for another address.' }
  }
  if (typeof iat !== 'number' || !isTimely(iat * 1000, now)) {
    return { fault: 'The proof was not made just now.' }
  }
  if (ath !== sha256(token)) return { fault: 'The proof is for another token.' }
  if (thumbprintOf(key) !== keyThumbprint) return { fault: 'The token is bound to another key.' }
  return { identity: sha256(`${keyThumbprint}.${jti}`) }
}

function isTimely(issuedAt: number, now: number): boolean {
  return issuedAt <= now + proofToleranceMilliseconds && issuedAt > now - proofLifetimeMilliseconds
}

/** Compared after the normalisation of a URL parser, without query and fragment (RFC 9449 §4.3, item 9). */
function isSameTarget(claimed: string, actual: string): boolean {
  const target = targetOf(claimed)
  return target !== undefined && target === targetOf(actual)
}

function targetOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, host, pathname, username, password } = new URL(text)
  if (!/^https?:$/.test(protocol) || username !== '' || password !== '') return undefined
  return `${protocol}//${host}${pathname}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
