import type { OperationContext } from '../context.ts'
import { privatePartIdentity, requireKeyKeeper, signingKeys, storedKey } from './key-store.ts'

/**
 * Opens every key that signs or will sign (but the one that is about to go); throws `cannot_decide`, naming
 * HALLPASS_MASTER_KEY, when one does not open. Changes nothing. For jobs and operators.
 */
export async function checkSigningKeys(
  ctx: OperationContext,
  { except }: { readonly except?: string } = {},
): Promise<{ readonly activeKid: string | undefined }> {
  requireKeyKeeper(ctx)
  return ctx.database.read(async (db) => {
    const keys = await signingKeys(db, ['next', 'active'])
    for (const { kid } of keys) {
      if (kid === except) continue
      const sealed = (await storedKey(db, kid))?.privateSealed
      if (sealed != null) ctx.secretBox.open(sealed, privatePartIdentity(kid))
    }
    return { activeKid: keys.find(({ state }) => state === 'active')?.kid }
  })
}
