import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { operate } from '../operation.ts'
import { generateKey } from './generate-key.ts'
import {
  insertKey,
  lockSigningKeys,
  moveStoredKey,
  privatePartIdentity,
  replacePrivatePart,
  requireKeyKeeper,
  type SigningKey,
  signingKeys,
  storedKey,
} from './key-store.ts'
import { isSealedWithOlderKey } from './secret-box.ts'

const liveStates = ['next', 'active', 'retiring'] as const

/**
 * Run at every start: makes the first signing key and the next one, replaces a next key that has another
 * algorithm than the configured one, and checks that the master key opens them all. Safe on any number of
 * replicas at once. Throws `cannot_decide`, naming HALLPASS_MASTER_KEY, when it does not open a key.
 */
export async function ensureSigningKeys(ctx: OperationContext): Promise<void> {
  requireKeyKeeper(ctx)
  const ready = await ctx.database.read(async (db) => {
    const keys = await signingKeys(db, liveStates)
    return isComplete(ctx, keys) && (await outdatedPrivateParts(db, ctx, keys)).length === 0
  })
  if (ready) return
  await operate(ctx, 'ensure-signing-keys', async (tx) => {
    await lockSigningKeys(tx, 'update')
    const keys = await signingKeys(tx.db, liveStates)
    for (const { kid, privatePart } of await outdatedPrivateParts(tx.db, ctx, keys)) {
      await replacePrivatePart(tx, kid, ctx.secretBox.seal(privatePart, privatePartIdentity(kid)))
    }
    await completeKeys(tx, ctx, keys)
  })
}

function isComplete(ctx: OperationContext, keys: readonly SigningKey[]): boolean {
  const next = keys.find(({ state }) => state === 'next')
  return next?.algorithm === ctx.tokenAlgorithm && keys.some(({ state }) => state === 'active')
}

async function completeKeys(
  tx: Transaction,
  ctx: OperationContext,
  keys: readonly SigningKey[],
): Promise<void> {
  if (isComplete(ctx, keys)) return
  const made: { kid: string; algorithm: string; state: string }[] = []
  const make = async (state: 'next' | 'active') => {
    const key = await generateKey(ctx.tokenAlgorithm)
    await insertKey(tx, ctx, key, state)
    made.push({ kid: key.kid, algorithm: key.algorithm, state })
  }
  if (!keys.some(({ state }) => state === 'active')) await make('active')
  const next = keys.find(({ state }) => state === 'next')
  // it never signed, so taking it back is felt by nobody
  const discarded = next?.algorithm === ctx.tokenAlgorithm ? undefined : next
  if (discarded !== undefined) await moveStoredKey(tx, ctx, discarded, 'discard')
  if (next === undefined || discarded !== undefined) await make('next')
  await appendEntry(tx, ctx, {
    action: 'ensure-signing-keys',
    outcome: 'ok',
    details: { made, discarded: discarded?.kid ?? null },
  })
}

/** Opens every private part, and returns those that an older master key sealed. */
async function outdatedPrivateParts(
  db: Queryable,
  ctx: OperationContext,
  keys: readonly SigningKey[],
): Promise<readonly { kid: string; privatePart: Buffer }[]> {
  const outdated: { kid: string; privatePart: Buffer }[] = []
  for (const { kid } of keys) {
    const sealed = (await storedKey(db, kid))?.privateSealed
    if (sealed == null) continue
    const privatePart = ctx.secretBox.open(sealed, privatePartIdentity(kid))
    if (isSealedWithOlderKey(ctx.secretBox, sealed)) outdated.push({ kid, privatePart })
  }
  return outdated
}
