/** What the identity provider says of who signed in, after every signature was checked. */
export interface ProviderIdentity {
  readonly issuer: string
  /** The provider's own, never reassigned name for the person (`sub`). */
  readonly providerSubject: string
  /** Lower-cased; this is the subject. */
  readonly email: string
  readonly groups: readonly string[]
}

/** Why claims do not make a subject; `code` goes to the audit log. */
export interface IdentityFault {
  readonly code: 'email_missing' | 'email_unverified' | 'email_unusable'
  readonly message: string
}

const maxGroups = 2_000

/** Turns verified claims into an identity. Only a verified e-mail is believed: an unverified one could be anybody's. */
export function identityOf(
  issuer: string,
  claims: Readonly<Record<string, unknown>>,
  groupsClaim: string,
): ProviderIdentity | IdentityFault {
  const { sub, email, email_verified: isVerified } = claims
  if (typeof sub !== 'string' || typeof email !== 'string' || email === '') {
    return {
      code: 'email_missing',
      message: 'Your identity provider sent no e-mail address. Its administrators must release it.',
    }
  }
  if (isVerified !== true) {
    return {
      code: 'email_unverified',
      message:
        'Your identity provider has not verified your e-mail address. Verify it there first.',
    }
  }
  // nothing that could be taken for a workload, a path or another address; judged before it is lower-cased, which
  // makes plain letters of some that are not
  if (email.length > 254 || !/^[A-Za-z0-9!#$%&'*+=?^_`{|}~.-]+@[A-Za-z0-9.-]+$/.test(email)) {
    return {
      code: 'email_unusable',
      message: 'Your e-mail address holds characters that Hallpass does not take.',
    }
  }
  const address = email.toLowerCase()
  return { issuer, providerSubject: sub, email: address, groups: groupsIn(claims[groupsClaim]) }
}

type Claims = Readonly<Record<string, unknown>>

/**
 * What the ID token and the UserInfo endpoint say together; the ID token has the last word. An e-mail and whether
 * it is verified come from one of them: one's verification says nothing of the other's address.
 */
export function joinedClaims(idToken: Claims, userInfo: Claims): Claims {
  const { email, email_verified } =
    saysBoth(idToken) || userInfo.email === undefined ? idToken : userInfo
  return { ...userInfo, ...idToken, email, email_verified }
}

/** Whether these claims say of an e-mail whether it is verified. */
export function saysBoth({ email, email_verified }: Claims): boolean {
  return email !== undefined && email_verified !== undefined
}

function groupsIn(claim: unknown): readonly string[] {
  const values = Array.isArray(claim) ? claim : [claim]
  const names = values.filter(
    (value): value is string =>
      // Postgres text holds no NUL
      typeof value === 'string' && value !== '' && value.length <= 200 && !value.includes('\0'),
  )
  return [...new Set(names)].slice(0, maxGroups)
}
