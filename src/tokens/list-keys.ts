import type { OperationContext } from '../context.ts'
import { requireKeyKeeper, type SigningKey, signingKeys } from './key-store.ts'

/** Every signing key that there ever was, oldest first, without private parts. For operators. */
export async function listKeys(ctx: OperationContext): Promise<readonly SigningKey[]> {
  requireKeyKeeper(ctx)
  return ctx.database.read((db) => signingKeys(db))
}
