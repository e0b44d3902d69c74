import type { ProviderIdentity } from './provider-identity.ts'

/** Which account of the identity provider a subject belongs to; null before its first sign-in. */
export interface StoredPin {
  readonly issuer: string | null
  readonly providerSubject: string | null
}

/** `first` pins, `again` matches the pin, `moved` follows the operator to another provider. */
export type PinOutcome = 'first' | 'again' | 'moved' | 'refused'

/**
 * Whether this account of the provider may be this subject. An e-mail address can be given to somebody else;
 * the pinned `sub` cannot, so the newcomer does not inherit. A `sub` means nothing beyond its issuer: when the
 * operator configures another provider, the first sign-in there pins anew.
 */
export function judgePin(stored: StoredPin, identity: ProviderIdentity): PinOutcome {
  if (stored.issuer === null || stored.providerSubject === null) return 'first'
  if (stored.issuer !== identity.issuer) return 'moved'
  return stored.providerSubject === identity.providerSubject ? 'again' : 'refused'
}
