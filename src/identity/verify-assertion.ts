import {
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import type { Workload } from '../catalog/index.ts'
import { KeysUnavailable, workloadKeys } from './workload-keys.ts'

/** An assertion lives at most this long, so that a stolen one is soon worthless. */
const maxAssertionSeconds = 5 * 60
const toleranceSeconds = 5
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

/** A signed statement that may be believed; `jti` is set when it may be used only once. */
export interface VerifiedAssertion {
  readonly method: 'private_key_jwt' | 'federation'
  readonly once: { readonly jti: string; readonly expiresAt: Date } | undefined
}

/** Who an unverified assertion says it is from; undefined when it is no JWT. Decides only which keys to try. */
export function assertedIssuer(
  assertion: string,
): { readonly issuer: string; readonly subject: string } | undefined {
  try {
    const { iss, sub } = decodeJwt(assertion)
    return typeof iss === 'string' && typeof sub === 'string'
      ? { issuer: iss, subject: sub }
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Checks a client assertion (RFC 7523 §3) of a workload with its registered keys. Undefined when it does not
 * hold; throws KeysUnavailable when the keys cannot be fetched.
 */
export async function verifyAssertion(
  workload: Workload,
  assertion: string,
  issuer: string,
  now: Date,
): Promise<VerifiedAssertion | undefined> {
  const { proof } = workload
  if (proof === undefined) return undefined
  if (proof.kind === 'federation') {
    const claims = await verified(assertion, await workloadKeys(proof), {
      issuer: proof.issuer,
      subject: proof.subject,
      audience: proof.audience,
      requiredClaims: ['exp'],
      currentDate: now,
    })
    return claims === undefined ? undefined : { method: 'federation', once: undefined }
  }
  const claims = await verified(assertion, await workloadKeys(proof), {
    issuer: workload.name,
    subject: workload.name,
    audience: issuer,
    requiredClaims: ['exp', 'jti'],
    currentDate: now,
  })
  return claims === undefined ? undefined : onceOnly(claims, now)
}

/** The audience must be this issuer alone: an assertion good for two servers could be replayed by the other. */
function onceOnly(claims: JWTPayload, now: Date): VerifiedAssertion | undefined {
  const { exp, jti, aud } = claims
  if (typeof jti !== 'string' || jti === '' || jti.length > 512 || exp === undefined)
    return undefined
  if (Array.isArray(aud) && aud.length !== 1) return undefined
  if (exp > now.getTime() / 1000 + maxAssertionSeconds + toleranceSeconds) return undefined
  return {
    method: 'private_key_jwt',
    once: { jti, expiresAt: new Date((Math.ceil(exp) + toleranceSeconds + 1) * 1000) },
  }
}

async function verified(
  assertion: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload | undefined> {
  const checks = { algorithms, clockTolerance: toleranceSeconds, ...options }
  try {
    return (await jwtVerify(assertion, keys, checks)).payload
  } catch (error) {
    if (error instanceof KeysUnavailable || error instanceof errors.JWKSTimeout) {
      throw new KeysUnavailable(error)
    }
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return undefined
    // no kid, and several keys could be meant (RFC 7515 §4.1.4): try each
    for await (const key of error) {
      const result = await jwtVerify(assertion, key, checks).catch(() => undefined)
      if (result !== undefined) return result.payload
    }
    return undefined
  }
}
