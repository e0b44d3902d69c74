import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import { operate } from '../operation.ts'
import { requireKeyKeeper, type SigningKey, signingKeys } from './key-store.ts'

/** Every signing key that there ever was, oldest first, without private parts. For operators; an entry of its own. */
export async function listKeys(ctx: OperationContext): Promise<readonly SigningKey[]> {
  requireKeyKeeper(ctx)
  return operate(ctx, 'list-keys', async (tx) => {
    await appendEntry(tx, ctx, { action: 'list-keys', outcome: 'ok' })
    return signingKeys(tx.db)
  })
}
