import { type ChallengeError, challenge } from './challenge.ts'
import type { AuthenticationDemand } from './verifier.ts'
import { type TokenBearer, VerifyError, type VerifyErrorCode } from './verify-error.ts'

const messages: Readonly<Record<VerifyErrorCode, string>> = {
  token_missing: 'The request carries no access token.',
  token_malformed: 'This is not an access token.',
  signature_invalid: 'The signature of the token does not hold.',
  wrong_type: 'This is not an access token: its type is another.',
  wrong_issuer: 'The token was issued by someone else.',
  wrong_audience: 'The token is for another resource.',
  token_expired: 'The token has expired.',
  token_not_yet_valid: 'The token is not valid yet.',
  token_revoked: 'The token was revoked.',
  insufficient_scope: 'The token does not have the scope that this needs.',
  proof_invalid: 'The proof of possession does not hold.',
  cannot_decide: 'It cannot be told right now whether the token is good. Try again in a moment.',
}

export interface RefusalFacts {
  readonly resourceMetadata: string | undefined
  readonly bearer?: TokenBearer | undefined
  readonly scope?: string | undefined
  readonly isProofBound?: boolean | undefined
  /** In place of the usual message; for the person who wrote the client. */
  readonly message?: string | undefined
}

/** The error for a token that is refused, with the challenge that RFC 6750 §3, RFC 9449 §7.1 and RFC 9728 §5.1 ask for. */
export function refusal(code: VerifyErrorCode, facts: RefusalFacts): VerifyError {
  const { bearer, resourceMetadata, message = messages[code] } = facts
  if (code === 'cannot_decide') return new VerifyError(code, message, { status: 503, bearer })
  if (code === 'token_missing') {
    const wwwAuthenticate = challenge('either', { resourceMetadata })
    return new VerifyError(code, message, { wwwAuthenticate })
  }
  const error = errorOf(code)
  const scheme = facts.isProofBound || code === 'proof_invalid' ? 'DPoP' : 'Bearer'
  const scope = code === 'insufficient_scope' ? facts.scope : undefined
  const wwwAuthenticate = challenge(scheme, {
    error,
    description: message,
    scope,
    resourceMetadata,
  })
  const status = error === 'insufficient_scope' ? 403 : 401
  return new VerifyError(code, message, { status, wwwAuthenticate, bearer })
}

/** RFC 9449 §7.1: a bound token without its proof is an invalid token, told under the scheme it needs. */
export function unprovenRefusal(facts: RefusalFacts): VerifyError {
  const message = 'The token is bound to a key: send it with the scheme DPoP and a proof.'
  return new VerifyError('proof_invalid', message, {
    wwwAuthenticate: challenge('DPoP', {
      error: 'invalid_token',
      description: message,
      resourceMetadata: facts.resourceMetadata,
    }),
    bearer: facts.bearer,
  })
}

/** A sign-in that is too weak or too old (RFC 9470 §3). */
export function stepUpRefusal(facts: RefusalFacts, demand: AuthenticationDemand): VerifyError {
  const message = 'The person must sign in again, or in a stronger way.'
  return new VerifyError('insufficient_scope', message, {
    wwwAuthenticate: challenge(facts.isProofBound ? 'DPoP' : 'Bearer', {
      error: 'insufficient_user_authentication',
      description: message,
      authenticationClasses: demand.acrValues,
      maxAgeSeconds: demand.maxAgeSeconds,
      resourceMetadata: facts.resourceMetadata,
    }),
    bearer: facts.bearer,
  })
}

function errorOf(code: VerifyErrorCode): ChallengeError {
  if (code === 'insufficient_scope') return 'insufficient_scope'
  return code === 'proof_invalid' ? 'invalid_dpop_proof' : 'invalid_token'
}
