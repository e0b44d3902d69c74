import { BrokerVerifier } from './broker-verifier.ts'
import { readOptions, type VerifierOptions } from './options.ts'
import type { Verifier } from './verifier.ts'

/**
 * Makes a verifier for one resource and starts it. Throws `TypeError` unless issuer, audience and credential are
 * given; doing without revocations must be written out (`revocation: 'none'`). Whoever makes one stops it.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const verifier = new BrokerVerifier(readOptions(options))
  verifier.start()
  return verifier
}
