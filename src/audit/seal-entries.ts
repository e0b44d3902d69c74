import { isNull, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { auditEntryTable } from '../database/schema/audit.ts'
import { signCheckpoint } from './checkpoint.ts'
import { entryHash } from './entry.ts'
import { fileCheckpoints } from './file-checkpoints.ts'
import { frontierOf, type GrowingTree, growTree, type TreeNode } from './merkle.ts'
import { ensureSigner } from './signing-key.ts'
import { entryOfRow, sealedSize, storedNodes } from './stored-log.ts'

export type SealContext = Pick<Services, 'clock' | 'database' | 'issuer' | 'log' | 'secretBox'>

export interface SealOptions {
  /** Where signed checkpoints are appended; none are filed without it. */
  readonly checkpointFile?: string | undefined
  /** How many entries one transaction seals at most. */
  readonly batchSize?: number
}

export interface Sealing {
  readonly sealedCount: number
  /** True when another replica is sealing right now, so this one left it to it. */
  readonly isSealedElsewhere: boolean
}

/** Held while sealing; `seal_audit_entries` takes the same. */
const sealingLock = '7133701926413'

/**
 * Gives every committed entry that has none its position in the log, gapless from 1, and signs the tree that
 * this makes. It looks at what is unsealed, never past a last id, so an entry whose transaction committed late
 * is sealed like any other. A job's operation: safe on every replica at once, and after a crash anywhere.
 */
export async function sealEntries(ctx: SealContext, options: SealOptions = {}): Promise<Sealing> {
  const batchSize = options.batchSize ?? 2_000
  let sealedCount = 0
  let isSealedElsewhere = false
  for (let isMore = await isSealingDue(ctx); isMore; ) {
    const count = await ctx.database.transaction((tx) => sealBatch(tx, ctx, batchSize))
    isSealedElsewhere = count === 'elsewhere'
    sealedCount += count === 'elsewhere' ? 0 : count
    isMore = count === batchSize
  }
  // only now: a filed checkpoint must never state what did not commit
  if (options.checkpointFile !== undefined) await fileCheckpoints(ctx, options.checkpointFile)
  return { sealedCount, isSealedElsewhere }
}

async function isSealingDue(ctx: SealContext): Promise<boolean> {
  const { rows } = await ctx.database.read((db) =>
    db.execute<{ is_due: boolean }>(
      sql`select exists (select from audit_entry where position is null)
              or not exists (select from audit_checkpoint) as is_due`,
    ),
  )
  return rows[0]?.is_due === true
}

async function sealBatch(
  tx: Transaction,
  ctx: SealContext,
  batchSize: number,
): Promise<number | 'elsewhere'> {
  const lock = await tx.db.execute<{ locked: boolean }>(
    sql`select pg_try_advisory_xact_lock(${sealingLock}::bigint) as locked`,
  )
  if (lock.rows[0]?.locked !== true) return 'elsewhere'
  const signer = await ensureSigner(tx, ctx)
  const size = await sealedSize(tx.db)
  const waiting = await tx.db
    .select()
    .from(auditEntryTable)
    .where(isNull(auditEntryTable.position))
    .orderBy(auditEntryTable.sequence)
    .limit(batchSize)
  if (waiting.length === 0 && size !== null) return 0
  const tree = await treeOf(tx, size ?? 0)
  const nodes = waiting.flatMap((row) => tree.append(entryHash(entryOfRow(row))))
  const ids = waiting.map(({ id }) => id)
  await store(tx, ctx, { ids, nodes, tree, note: signCheckpoint(statementOf(tree), signer) })
  return waiting.length
}

async function treeOf(tx: Transaction, size: number): Promise<GrowingTree> {
  const frontier = frontierOf(size)
  const hashAt = await storedNodes(tx.db, frontier)
  const hashes = frontier.map(hashAt).filter((hash) => hash !== undefined)
  if (hashes.length < frontier.length) {
    throw new Error('The audit log lacks hashes of its tree. Run `hallpass audit verify`.')
  }
  return growTree(size, hashes)
}

function statementOf(tree: GrowingTree): { size: number; root: Buffer } {
  return { size: tree.size, root: tree.root() }
}

async function store(
  tx: Transaction,
  ctx: SealContext,
  sealing: {
    readonly ids: readonly string[]
    readonly nodes: readonly TreeNode[]
    readonly tree: GrowingTree
    readonly note: string
  },
): Promise<void> {
  const { ids, nodes, tree, note } = sealing
  await tx.db.execute(sql`select seal_audit_entries(
    ${tree.size - ids.length}::bigint, ${sql.param(ids)}::text[],
    ${sql.param(nodes.map(({ level }) => level))}::smallint[],
    ${sql.param(nodes.map(({ index }) => index))}::bigint[],
    ${sql.param(nodes.map(({ hash }) => hash))}::bytea[],
    ${tree.root()}, ${note}, ${ctx.clock.now().toISOString()}::timestamptz)`)
}
