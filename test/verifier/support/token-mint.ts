import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'

/** Signs tokens as the broker does, and as nobody should. */
export interface SigningKey {
  readonly kid: string
  readonly alg: 'RS256' | 'ES256' | 'EdDSA'
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export const issuer = 'https://access.example.com'
export const audience = 'https://billing.example.com'

export function newKey(alg: SigningKey['alg'] = 'ES256', kid: string = randomUUID()): SigningKey {
  const { publicKey, privateKey } = keyPair(alg)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }
  return { kid, alg, privateKey, jwk }
}

function keyPair(alg: SigningKey['alg']) {
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return generateKeyPairSync('ed25519')
}

export type Claims = Readonly<Record<string, unknown>>

/** Claims of a good token; `now` is milliseconds since the epoch. */
function goodClaims(changes: Claims = {}, now = Date.now()): Claims {
  const iat = Math.floor(now / 1000)
  return {
    iss: issuer,
    sub: 'alice@example.com',
    aud: audience,
    client_id: 'hallpass',
    scope: 'invoices:read invoices:write',
    iat,
    nbf: iat,
    exp: iat + 300,
    jti: `jti_${randomUUID()}`,
    grant_id: 'grt_1',
    ...changes,
  }
}

export function mint(key: SigningKey, changes: Claims = {}, header: Claims = {}): string {
  return signJws(key, { typ: 'at+jwt', alg: key.alg, kid: key.kid, ...header }, goodClaims(changes))
}

/** A compact JWS of whatever is given. */
export function signJws(
  key: Pick<SigningKey, 'alg' | 'privateKey'>,
  header: Claims,
  payload: Claims,
): string {
  const text = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(payload))}`
  return `${text}.${signature(key, text)}`
}

export function signature(key: Pick<SigningKey, 'alg' | 'privateKey'>, text: string): string {
  const data = Buffer.from(text)
  const { alg, privateKey } = key
  const signed =
    alg === 'EdDSA'
      ? sign(null, data, privateKey)
      : sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return signed.toString('base64url')
}

export function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
