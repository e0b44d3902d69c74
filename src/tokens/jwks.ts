import type { Services } from '../context.ts'
import { signingKeys } from './key-store.ts'
import { isPublished } from './signing-key.ts'

/** The published keys as a JWK Set (RFC 7517 §5), each with `kid`, `use` and `alg`. */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

/**
 * Reads the key set from the database every time, so a revoked key is gone from every replica's answer with
 * the commit that revoked it.
 */
export async function publishedKeys(ctx: Pick<Services, 'database'>): Promise<KeySet> {
  const keys = await ctx.database.read((db) => signingKeys(db, ['next', 'active', 'retiring']))
  return {
    keys: keys.filter(({ state }) => isPublished(state)).map(({ publicJwk }) => publicJwk),
  }
}
