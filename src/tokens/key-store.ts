import { and, asc, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { signingKeyTable } from '../database/schema/tokens.ts'
import { HallpassError } from '../errors.ts'
import type { GeneratedKey } from './generate-key.ts'
import {
  moveKey,
  type SigningKeyEvent,
  type SigningKeyState,
  type TokenAlgorithm,
} from './signing-key.ts'

/** A signing key without its private part. */
export interface SigningKey {
  readonly kid: string
  readonly algorithm: TokenAlgorithm
  readonly state: SigningKeyState
  readonly publicJwk: Readonly<Record<string, unknown>>
  readonly createdAt: Date
  readonly publishedAt: Date
  readonly activatedAt: Date | null
  readonly retiringAt: Date | null
  readonly endedAt: Date | null
}

const columns = {
  kid: signingKeyTable.kid,
  algorithm: signingKeyTable.algorithm,
  state: signingKeyTable.state,
  publicJwk: signingKeyTable.publicJwk,
  createdAt: signingKeyTable.createdAt,
  publishedAt: signingKeyTable.publishedAt,
  activatedAt: signingKeyTable.activatedAt,
  retiringAt: signingKeyTable.retiringAt,
  endedAt: signingKeyTable.endedAt,
}

const lockName = sql`hashtextextended('hallpass signing keys', 0)`

/**
 * Holds the set of keys still to the end of the transaction: `share` to choose the key of a token, `update`
 * to move keys. The last lock of the order: after it no other lock is taken.
 */
export async function lockSigningKeys(tx: Transaction, mode: 'share' | 'update'): Promise<void> {
  const lock = mode === 'share' ? sql`pg_advisory_xact_lock_shared` : sql`pg_advisory_xact_lock`
  await tx.db.execute(sql`select ${lock}(${lockName})`)
}

/** The keys in these states, oldest first; all of them without states. */
export function signingKeys(
  db: Queryable,
  states?: readonly SigningKeyState[],
): Promise<readonly SigningKey[]> {
  const condition: SQL | undefined =
    states === undefined ? undefined : inArray(signingKeyTable.state, [...states])
  return db
    .select(columns)
    .from(signingKeyTable)
    .where(condition)
    .orderBy(asc(signingKeyTable.createdAt), asc(signingKeyTable.kid))
}

/** One key with its encrypted private part, null when that is gone. */
export async function storedKey(
  db: Queryable,
  kid: string,
): Promise<(SigningKey & { readonly privateSealed: Buffer | null }) | undefined> {
  const [row] = await db
    .select({ ...columns, privateSealed: signingKeyTable.privateSealed })
    .from(signingKeyTable)
    .where(eq(signingKeyTable.kid, kid))
  return row
}

/** What the private part of a key is bound to at rest. */
export function privatePartIdentity(kid: string): string {
  return `signing_key ${kid}`
}

/** Stores a new key, published from now on. */
export async function insertKey(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock' | 'secretBox'>,
  key: GeneratedKey,
  state: 'next' | 'active',
): Promise<void> {
  const now = ctx.clock.now()
  await tx.db.insert(signingKeyTable).values({
    kid: key.kid,
    algorithm: key.algorithm,
    state,
    publicJwk: key.publicJwk,
    privateSealed: ctx.secretBox.seal(
      Buffer.from(JSON.stringify(key.privateJwk)),
      privatePartIdentity(key.kid),
    ),
    createdAt: now,
    publishedAt: now,
    activatedAt: state === 'active' ? now : null,
  })
}

/** Moves a key; its private part goes with its last state. The caller holds the `update` lock. */
export async function moveStoredKey(
  tx: Transaction,
  ctx: Pick<OperationContext, 'clock'>,
  key: Pick<SigningKey, 'kid' | 'state'>,
  event: SigningKeyEvent,
): Promise<void> {
  const state = moveKey(key.state, event)
  if (state === undefined) {
    throw new HallpassError('not_permitted', `A ${key.state} key cannot be moved by ${event}.`)
  }
  const now = ctx.clock.now()
  const moved = await tx.db
    .update(signingKeyTable)
    .set({
      state,
      ...(state === 'active' ? { activatedAt: now } : {}),
      ...(state === 'retiring' ? { retiringAt: now } : {}),
      ...(state === 'retired' || state === 'revoked' ? { endedAt: now, privateSealed: null } : {}),
    })
    .where(and(eq(signingKeyTable.kid, key.kid), eq(signingKeyTable.state, key.state)))
    .returning({ kid: signingKeyTable.kid })
  if (moved.length !== 1) throw new Error(`key ${key.kid} moved though the keys were locked`)
}

/** Replaces the encrypted private part, when the master key was changed. */
export async function replacePrivatePart(
  tx: Transaction,
  kid: string,
  privateSealed: Buffer,
): Promise<void> {
  await tx.db.update(signingKeyTable).set({ privateSealed }).where(eq(signingKeyTable.kid, kid))
}

/** Keys are moved by jobs and operators alone. */
export function requireKeyKeeper(ctx: OperationContext): void {
  if (ctx.actor.kind === 'job' || ctx.actor.kind === 'operator') return
  throw new HallpassError('not_permitted', 'Only an operator of this broker may touch its keys.', {
    refusal: {},
  })
}
