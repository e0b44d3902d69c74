import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import type { Grant } from './grant.ts'
import { latestExpiry } from './live-tokens.ts'
import { type Ending, storeEndings } from './store-endings.ts'
import { writeRevocation } from './write-revocation.ts'

/**
 * Ends a grant whose row the caller locked before its time, and takes back its tokens if any still live. The
 * right to do so is the caller's to check. Throws `grant_ended` when it is over already.
 */
export async function endLockedGrant(
  tx: Transaction,
  ctx: OperationContext,
  grant: Grant,
  ending: Ending & { readonly event: 'revoke' | 'release' },
  now: Date,
): Promise<Grant> {
  const [ended = grant] = await storeEndings(tx, ctx, [grant], ending, now)
  const { id: target, resource } = grant
  const forgetAt = await latestExpiry(tx, { kind: 'grant', target }, now)
  if (forgetAt !== null) {
    await writeRevocation(tx, ctx, { kind: 'grant', target, resource, forgetAt }, now)
  }
  return ended
}
