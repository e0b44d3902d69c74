import { and, asc, eq, gt } from 'drizzle-orm'
import { type Revocation, writeRevocations } from '../access/index.ts'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { issuedTokenTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'
import { checkSigningKeys } from './check-signing-keys.ts'
import { type GeneratedKey, generateKey } from './generate-key.ts'
import {
  insertKey,
  lockSigningKeys,
  moveStoredKey,
  requireKeyKeeper,
  type SigningKey,
  signingKeys,
  storedKey,
} from './key-store.ts'

/** What taking a leaked key back did. */
export interface KeyRevocation {
  readonly kid: string
  /** Live tokens that it had signed; every connected verifier refuses them now. */
  readonly tokensRevoked: number
  /** The key that signs from now on. */
  readonly activeKid: string
}

/** Rows that one statement writes; a bound parameter each column, of which Postgres takes 65,535. */
const revocationsAtOnce = 5_000

/**
 * Takes a leaked key back: out of the key set at once, its private part forgotten, its live tokens revoked, and
 * another key in its place. Throws `not_found` for a kid that never was, `not_permitted` for one revoked before,
 * `cannot_decide` with another master key than the brokers'.
 */
export async function revokeKey(
  ctx: OperationContext,
  input: { readonly kid: string },
): Promise<KeyRevocation> {
  requireKeyKeeper(ctx)
  if ((await ctx.database.read((db) => storedKey(db, input.kid))) === undefined) throw noSuchKey()
  // the replacement must be one that the brokers can open
  await checkSigningKeys(ctx, { except: input.kid })
  const replacement = await generateKey(ctx.tokenAlgorithm)
  return operate(ctx, 'revoke-key', async (tx) => {
    await lockSigningKeys(tx, 'update')
    const keys = await signingKeys(tx.db)
    const key = keys.find(({ kid }) => kid === input.kid)
    if (key === undefined) throw noSuchKey()
    if (key.state === 'revoked') {
      throw new HallpassError('not_permitted', 'This key was revoked before.')
    }
    await moveStoredKey(tx, ctx, key, 'revoke')
    const activeKid = await replaceKey(tx, ctx, keys, key, replacement)
    const tokensRevoked = await revokeTokensOf(tx, ctx, key.kid)
    await appendEntry(tx, ctx, {
      action: 'revoke-key',
      outcome: 'ok',
      details: {
        kid: key.kid,
        state_before: key.state,
        tokens_revoked: tokensRevoked,
        active_kid: activeKid,
      },
    })
    return { kid: key.kid, tokensRevoked, activeKid }
  })
}

function noSuchKey(): HallpassError {
  return new HallpassError('not_found', 'There is no such key. See: hallpass keys list')
}

/** Keeps one key active and one next. Returns the active one's kid. */
async function replaceKey(
  tx: Transaction,
  ctx: OperationContext,
  before: readonly SigningKey[],
  revoked: SigningKey,
  replacement: GeneratedKey,
): Promise<string> {
  const active = before.find(({ state }) => state === 'active')
  const next = before.find(({ state }) => state === 'next')
  if (revoked.state === 'active' && next !== undefined) {
    await moveStoredKey(tx, ctx, next, 'activate')
    await insertKey(tx, ctx, replacement, 'next')
    return next.kid
  }
  if (revoked.state === 'active') {
    await insertKey(tx, ctx, replacement, 'active')
    return replacement.kid
  }
  if (revoked.state === 'next') await insertKey(tx, ctx, replacement, 'next')
  if (active === undefined) throw new Error('there was no active key to keep')
  return active.kid
}

/** Verifiers that keep the key set learn through the feed what they must refuse. */
async function revokeTokensOf(
  tx: Transaction,
  ctx: OperationContext,
  kid: string,
): Promise<number> {
  const live = await tx.db
    .select({
      target: issuedTokenTable.jti,
      resource: issuedTokenTable.resource,
      forgetAt: issuedTokenTable.expiresAt,
    })
    .from(issuedTokenTable)
    .where(and(eq(issuedTokenTable.kid, kid), gt(issuedTokenTable.expiresAt, ctx.clock.now())))
    .orderBy(asc(issuedTokenTable.jti))
  const revocations = live.map((token): Revocation => ({ kind: 'token', ...token }))
  for (let start = 0; start < revocations.length; start += revocationsAtOnce) {
    await writeRevocations(tx, ctx, revocations.slice(start, start + revocationsAtOnce))
  }
  return revocations.length
}
