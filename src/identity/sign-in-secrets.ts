import { createHmac } from 'node:crypto'
import type { SignInSecrets } from './identity-provider.ts'

/**
 * The nonce and PKCE verifier of a sign-in, from its state and the secret that only its browser holds: the
 * database keeps a hash of each and so nothing that would finish somebody's sign-in.
 */
export function signInSecrets(state: string, browserSecret: string): SignInSecrets {
  const derived = (purpose: string) =>
    createHmac('sha256', browserSecret).update(`${purpose}:${state}`).digest('base64url')
  return { state, nonce: derived('nonce'), codeVerifier: derived('code verifier') }
}
