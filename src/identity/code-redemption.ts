import { createHash } from 'node:crypto'
import { isSameHash } from './secret.ts'

/** A stored authorization code, as far as its redemption is judged. */
export interface StoredCode {
  readonly clientId: string
  readonly redirectUri: string
  readonly codeChallenge: string
  readonly expiresAt: Date
  readonly usedAt: Date | null
}

/** What a client sends to have a code redeemed (RFC 6749 §4.1.3, RFC 7636 §4.5). */
export interface CodeRedemption {
  readonly clientId: string
  readonly code: string
  readonly redirectUri: string
  readonly codeVerifier: string
}

/** `reused` means that the code was redeemed before: it leaked, and what it opened must close. */
export type RedemptionOutcome = 'good' | 'reused' | 'expired' | 'mismatch' | 'verifier'

/** Whether a code may be redeemed. Every outcome but `good` burns it. */
export function judgeRedemption(
  stored: StoredCode,
  redemption: CodeRedemption,
  now: Date,
): RedemptionOutcome {
  if (stored.usedAt !== null) return 'reused'
  if (now.getTime() >= stored.expiresAt.getTime()) return 'expired'
  if (stored.clientId !== redemption.clientId || stored.redirectUri !== redemption.redirectUri) {
    return 'mismatch'
  }
  return isVerifierOf(redemption.codeVerifier, stored.codeChallenge) ? 'good' : 'verifier'
}

function isVerifierOf(verifier: string, challenge: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false
  const digest = createHash('sha256').update(verifier).digest()
  return isSameHash(digest, Buffer.from(challenge, 'base64url'))
}
