import { hash } from 'node:crypto'
import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Services } from '../context.ts'
import type { AccessTokenClaims } from './claims.ts'
import { storedKey } from './key-store.ts'
import { isPublished, type TokenAlgorithm } from './signing-key.ts'

type VerifierServices = Pick<Services, 'clock' | 'database' | 'issuer'>

/** An access token of this broker whose signature, type, issuer and times hold. */
export interface VerifiedToken {
  readonly kid: string
  readonly claims: AccessTokenClaims
}

interface PublicKey {
  readonly algorithm: TokenAlgorithm
  readonly key: Awaited<ReturnType<typeof importJWK>>
}

const longestToken = 8 * 1024
/** Strictly compact serialisation: jose would look past white space. */
const compactForm = /^[\w-]+\.[\w-]+\.[\w-]+$/
const kidForm = /^[\w-]{1,128}$/
/** Between replicas clocks may differ by 2 s each from the database's; `exp` gets no tolerance. */
const notBeforeToleranceSeconds = 5
const keptKeys = 16
const keptTokens = 10_000

const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.string(),
  client_id: z.string(),
  scope: z.string(),
  iat: z.number().int(),
  nbf: z.number().int(),
  exp: z.number().int(),
  jti: z.string().regex(/^[\w-]{1,128}$/),
  grant_id: z.string(),
})

/** By SHA-256 of the whole token: its signature held, and only time can change that. */
const genuineTokens = new WeakMap<Services['database'], Map<string, VerifiedToken>>()
const publicKeysOf = new WeakMap<Services['database'], Map<string, PublicKey>>()

/**
 * Checks what a token says of itself: our signature by the key its `kid` names, with that key's algorithm,
 * `typ` at+jwt, our issuer, not expired. Undefined when anything fails. Whether the key was revoked
 * since, and everything else that the database knows, is for the caller to ask.
 */
export async function verifyToken(
  ctx: VerifierServices,
  token: string,
): Promise<VerifiedToken | undefined> {
  if (token.length > longestToken) return undefined
  const known = verifiedBefore(ctx, token)
  if (known !== undefined) return known
  const verified = await verifySignature(ctx, token)
  if (verified === undefined || isExpired(ctx, verified)) return undefined
  keep(genuineTokensOf(ctx), digestOf(token), verified, keptTokens)
  return verified
}

/** The same for a token that this replica saw before, without any cryptography; undefined for every other. */
export function verifiedBefore(
  ctx: Pick<Services, 'clock' | 'database'>,
  token: string,
): VerifiedToken | undefined {
  if (token.length > longestToken) return undefined
  const verified = genuineTokensOf(ctx).get(digestOf(token))
  return verified === undefined || isExpired(ctx, verified) ? undefined : verified
}

function isExpired({ clock }: Pick<Services, 'clock'>, { claims }: VerifiedToken): boolean {
  return claims.exp * 1000 <= clock.now().getTime()
}

function digestOf(token: string): string {
  return hash('sha256', token, 'base64')
}

/** The slow part: what it finds stays true, but for the time. */
async function verifySignature(
  ctx: VerifierServices,
  token: string,
): Promise<VerifiedToken | undefined> {
  const kid = kidOf(token)
  if (kid === undefined) return undefined
  const publicKey = await publicKeyOf(ctx, kid)
  if (publicKey === undefined) return undefined
  const payload = await jwtVerify(token, publicKey.key, {
    algorithms: [publicKey.algorithm],
    issuer: ctx.issuer,
    typ: 'at+jwt',
    currentDate: ctx.clock.now(),
    clockTolerance: notBeforeToleranceSeconds,
  }).then(
    (result) => result.payload,
    () => undefined,
  )
  const claims = claimsSchema.safeParse(payload)
  return claims.success ? { kid, claims: claims.data } : undefined
}

function kidOf(token: string): string | undefined {
  if (!compactForm.test(token)) return undefined
  try {
    const { kid } = decodeProtectedHeader(token)
    return typeof kid === 'string' && kidForm.test(kid) ? kid : undefined
  } catch {
    return undefined
  }
}

/** What belongs to a kid never changes, so it is kept; an unknown kid is looked up each time. */
async function publicKeyOf(ctx: VerifierServices, kid: string): Promise<PublicKey | undefined> {
  const known = publicKeysOf.get(ctx.database) ?? new Map<string, PublicKey>()
  publicKeysOf.set(ctx.database, known)
  const kept = known.get(kid)
  if (kept !== undefined) return kept
  const stored = await ctx.database.read((db) => storedKey(db, kid))
  if (stored === undefined || !isPublished(stored.state)) return undefined
  const key = await importJWK({ ...stored.publicJwk }, stored.algorithm)
  const publicKey = { algorithm: stored.algorithm, key }
  keep(known, kid, publicKey, keptKeys)
  return publicKey
}

function genuineTokensOf(ctx: Pick<Services, 'database'>): Map<string, VerifiedToken> {
  const known = genuineTokens.get(ctx.database) ?? new Map<string, VerifiedToken>()
  genuineTokens.set(ctx.database, known)
  return known
}

/** Keeps the newest `limit` entries. */
function keep<V>(known: Map<string, V>, key: string, value: V, limit: number): void {
  known.set(key, value)
  const [oldest] = known.keys()
  if (known.size > limit && oldest !== undefined) known.delete(oldest)
}
