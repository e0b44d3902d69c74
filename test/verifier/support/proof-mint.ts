import { createHash, randomUUID } from 'node:crypto'
import { type Claims, type SigningKey, signJws } from './token-mint.ts'

/** RFC 7638, written out from the RFC and not from the code under test. */
export function thumbprint({ jwk }: SigningKey): string {
  const { kty, crv, x, y, n, e } = jwk
  const members =
    kty === 'EC' ? { crv, kty, x, y } : kty === 'RSA' ? { e, kty, n } : { crv, kty, x }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** Claims that bind a token to a key (RFC 9449 §6.1). */
export function boundTo(key: SigningKey): Claims {
  return { cnf: { jkt: thumbprint(key) } }
}

/** A proof as a client makes it (RFC 9449 §4.2). */
export function prove(
  key: SigningKey,
  { method, url, token }: { method: string; url: string; token: string },
  changes: Claims = {},
  header: Claims = {},
): string {
  const { kid: _, alg: __, use: ___, ...jwk } = key.jwk
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: url,
    iat: Math.floor(Date.now() / 1000),
    ath: createHash('sha256').update(token).digest('base64url'),
    ...changes,
  }
  return signJws(key, { typ: 'dpop+jwt', alg: key.alg, jwk, ...header }, claims)
}
