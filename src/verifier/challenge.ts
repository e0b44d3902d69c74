import { proofAlgorithms } from './proof-key.ts'

/** Errors of RFC 6750 §3.1, RFC 9449 §7.1 and RFC 9470 §3. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'invalid_dpop_proof'
  | 'insufficient_user_authentication'

export interface ChallengeFacts {
  /** None when the request carried no token: then nothing is said but how to come with one. */
  readonly error?: ChallengeError | undefined
  readonly description?: string | undefined
  /** What the resource asks for. */
  readonly scope?: string | undefined
  /** Address of the resource's metadata (RFC 9728 §5.1). */
  readonly resourceMetadata?: string | undefined
  readonly authenticationClasses?: readonly string[] | undefined
  readonly maxAgeSeconds?: number | undefined
}

/**
 * The value of `WWW-Authenticate`. A request without a token is told of both schemes; any other of the one that its
 * token is for.
 */
export function challenge(scheme: 'Bearer' | 'DPoP' | 'either', facts: ChallengeFacts): string {
  if (scheme === 'either') return `${challenge('Bearer', facts)}, ${challenge('DPoP', facts)}`
  const parameters: readonly (readonly [string, string | undefined])[] = [
    ['error', facts.error],
    ['error_description', facts.description],
    ['acr_values', facts.authenticationClasses?.join(' ')],
    ['max_age', facts.maxAgeSeconds?.toString()],
    ['scope', facts.scope],
    ['algs', scheme === 'DPoP' ? proofAlgorithms.join(' ') : undefined],
    ['resource_metadata', facts.resourceMetadata],
  ]
  const told = parameters.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${quotable(value)}"`],
  )
  return told.length === 0 ? scheme : `${scheme} ${told.join(', ')}`
}

/** A quoted-string (RFC 9110 §5.6.4) of what a header may hold. */
function quotable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
}
