import { createHmac } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, importJWK, type JWTPayload, SignJWT } from 'jose'
import { storedKey } from '../../src/tokens/key-store.ts'
import type { TestServices } from '../support/context.ts'

/** A token put together by hand: any header, any claims, any signature. */
export function assemble(
  header: Record<string, unknown>,
  claims: JWTPayload,
  signature: (signed: string) => string = () => '',
): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const signed = `${encode(header)}.${encode(claims)}`
  return `${signed}.${signature(signed)}`
}

/** Signed with HMAC over a secret, as a verifier that mixes algorithms up would check it. */
export function assembleHmac(
  header: Record<string, unknown>,
  claims: JWTPayload,
  secret: string | Buffer,
): string {
  return assemble(header, claims, (signed) =>
    createHmac('sha256', secret).update(signed).digest('base64url'),
  )
}

/** Signs other claims, or under another header, with the broker's own key that signed `token`. */
export async function resign(
  test: TestServices,
  token: string,
  changes: { readonly header?: Record<string, unknown>; readonly claims?: JWTPayload },
): Promise<string> {
  const header = decodeProtectedHeader(token)
  const kid = header.kid ?? ''
  const stored = await test.services.database.read((db) => storedKey(db, kid))
  if (stored?.privateSealed == null) throw new Error('the key is gone')
  const opened = test.services.secretBox.open(stored.privateSealed, `signing_key ${kid}`)
  const key = await importJWK(JSON.parse(opened.toString('utf8')), stored.algorithm)
  return new SignJWT({ ...decodeJwt(token), ...changes.claims })
    .setProtectedHeader({ alg: stored.algorithm, kid, typ: 'at+jwt', ...changes.header })
    .sign(key)
}
