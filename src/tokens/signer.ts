import { importJWK, type JWK, SignJWT } from 'jose'
import { z } from 'zod'
import type { Services } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import type { AccessTokenClaims } from './claims.ts'
import { privatePartIdentity, storedKey } from './key-store.ts'
import type { TokenAlgorithm } from './signing-key.ts'

/** A private key, ready to sign. */
export interface Signer {
  readonly kid: string
  readonly algorithm: TokenAlgorithm
  readonly key: Awaited<ReturnType<typeof importJWK>>
}

type SignerServices = Pick<Services, 'secretBox'>

const jwkSchema = z.looseObject({ kty: z.string() })
const keptSigners = 4
/** Imported keys of one broker. Whether a key may sign is asked of the database every time. */
const signersOf = new WeakMap<Services['secretBox'], Map<string, Signer>>()

/** The private key of `kid`. Throws `cannot_decide` when it is gone or cannot be decrypted. */
export async function signerOf(db: Queryable, ctx: SignerServices, kid: string): Promise<Signer> {
  const signers = signersOf.get(ctx.secretBox) ?? new Map<string, Signer>()
  signersOf.set(ctx.secretBox, signers)
  const known = signers.get(kid)
  if (known !== undefined) return known
  const signer = await loadSigner(db, ctx, kid)
  for (const oldest of [...signers.keys()].slice(0, Math.max(0, signers.size - keptSigners + 1))) {
    signers.delete(oldest)
  }
  signers.set(kid, signer)
  return signer
}

async function loadSigner(db: Queryable, ctx: SignerServices, kid: string): Promise<Signer> {
  const stored = await storedKey(db, kid)
  if (stored?.privateSealed == null) {
    throw new HallpassError(
      'cannot_decide',
      'The key that should sign is gone. Try again; if it stays so, an operator runs: hallpass keys rotate',
    )
  }
  const opened = ctx.secretBox.open(stored.privateSealed, privatePartIdentity(kid))
  const jwk: JWK = jwkSchema.parse(JSON.parse(opened.toString('utf8')))
  return { kid, algorithm: stored.algorithm, key: await importJWK(jwk, stored.algorithm) }
}

/** Signs an access token: RFC 9068 §2.1, `typ` is `at+jwt`. */
export function signToken(signer: Signer, claims: AccessTokenClaims): Promise<string> {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: signer.algorithm, kid: signer.kid, typ: 'at+jwt' })
    .sign(signer.key)
}
