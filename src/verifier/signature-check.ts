import { readClaims, type TokenClaims } from './claims.ts'
import { type CompactToken, parseCompactToken, payloadOf } from './compact-token.ts'
import type { KnownKey } from './key-set.ts'
import { isSignedBy } from './verification-key.ts'
import type { VerifyErrorCode } from './verify-error.ts'

/** What a token must say of itself. */
export interface TokenPolicy {
  readonly issuer: string
  readonly audience: string
}

/** A token that may be one of ours, if its key is. */
export interface Candidate {
  readonly compact: CompactToken
  readonly kid: string
}

/** The checks before the signature: form, and `typ` (RFC 9068 §4; media types know no case). */
export function readCandidate(token: string): Candidate | VerifyErrorCode {
  const compact = parseCompactToken(token)
  if (compact === undefined) return 'token_malformed'
  const { typ, kid } = compact.header
  if (typeof typ !== 'string' || !/^(?:application\/)?at\+jwt$/i.test(typ)) return 'wrong_type'
  return typeof kid === 'string' ? { compact, kid } : 'signature_invalid'
}

/**
 * The checks that stay true for as long as the key does: the signature, by the algorithm of the key whatever the
 * token says, and whom the token is from and for.
 */
export function checkCandidate(
  { compact }: Candidate,
  key: KnownKey,
  policy: TokenPolicy,
): TokenClaims | VerifyErrorCode {
  if (compact.header.alg !== key.algorithm) return 'signature_invalid'
  if (!isSignedBy(key, compact.signedText, compact.signature)) return 'signature_invalid'
  const payload = payloadOf(compact)
  const claims = payload && readClaims(payload)
  if (claims === undefined) return 'token_malformed'
  if (claims.issuer !== policy.issuer) return 'wrong_issuer'
  return claims.audience === policy.audience ? claims : 'wrong_audience'
}
