import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { operate } from '../operation.ts'
import { checkSigningKeys } from './check-signing-keys.ts'
import { generateKey } from './generate-key.ts'
import {
  insertKey,
  lockSigningKeys,
  moveStoredKey,
  requireKeyKeeper,
  type SigningKey,
  signingKeys,
} from './key-store.ts'
import { isKnownToVerifiers, isRotationDue } from './signing-key.ts'

/** What a rotation did. */
export interface Rotation {
  /** The key that signs from now on. */
  readonly activeKid: string
  /** The key that signed before; published until its last token has ended. */
  readonly retiringKid: string | null
  /** The key after that, published from now on. */
  readonly nextKid: string
  /** False when verifiers may hold a key set without the new key; those meet an unknown `kid` and read again. */
  readonly isKnownToVerifiers: boolean
}

/**
 * The next key signs from now on, the one before retires, and a new next key is published. With
 * `onlyWhenDue` (the job) nothing happens before the active key is 30 days old: the answer is null. Throws `cannot_decide` with another master key
 * than the brokers'.
 */
export async function rotateKeys(
  ctx: OperationContext,
  input: { readonly onlyWhenDue: boolean },
): Promise<Rotation | null> {
  requireKeyKeeper(ctx)
  if (input.onlyWhenDue && !isDue(ctx, await ctx.database.read((db) => signingKeys(db)))) {
    return null
  }
  // a key sealed with another master key than the brokers have would stop them once it is to sign
  await checkSigningKeys(ctx)
  const made = await generateKey(ctx.tokenAlgorithm)
  return operate(ctx, 'rotate-keys', async (tx) => {
    await lockSigningKeys(tx, 'update')
    const keys = await signingKeys(tx.db, ['next', 'active'])
    if (input.onlyWhenDue && !isDue(ctx, keys)) return null
    const active = keys.find(({ state }) => state === 'active')
    const next = keys.find(({ state }) => state === 'next')
    if (active !== undefined) await moveStoredKey(tx, ctx, active, 'succeed')
    if (next !== undefined) await moveStoredKey(tx, ctx, next, 'activate')
    const successor = next ?? (await generateKey(ctx.tokenAlgorithm))
    if (!('state' in successor)) await insertKey(tx, ctx, successor, 'active')
    await insertKey(tx, ctx, made, 'next')
    const rotation: Rotation = {
      activeKid: successor.kid,
      retiringKid: active?.kid ?? null,
      nextKid: made.kid,
      isKnownToVerifiers: next !== undefined && isKnownToVerifiers(next, ctx.clock.now()),
    }
    await appendEntry(tx, ctx, {
      action: 'rotate-keys',
      outcome: 'ok',
      details: {
        active_kid: rotation.activeKid,
        retiring_kid: rotation.retiringKid,
        next_kid: rotation.nextKid,
      },
    })
    return rotation
  })
}

function isDue(ctx: OperationContext, keys: readonly SigningKey[]): boolean {
  const active = keys.find(({ state }) => state === 'active')
  const next = keys.find(({ state }) => state === 'next')
  return active !== undefined && next !== undefined && isRotationDue(active, next, ctx.clock.now())
}
