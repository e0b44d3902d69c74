import { asc, gt, sql } from 'drizzle-orm'
import type { Services } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { auditCheckpointTable } from '../database/schema/audit.ts'
import { appendNotes, lastCheckpointIn } from './checkpoint-file.ts'
import { parseVerifierKey } from './signed-note.ts'
import { verifierKeyOf } from './signing-key.ts'
import { sealedSize } from './stored-log.ts'

/** Held while filing, so that replicas that share a folder take turns. */
const filingLock = '7133701926414'
const batchSize = 1_000

/**
 * Brings the file up to the stored checkpoints: all that are larger than its last. So a crash between the
 * commit of a checkpoint and its filing, or a replica that was away, is made good the next time.
 */
export async function fileCheckpoints(
  ctx: Pick<Services, 'database' | 'log'>,
  path: string,
): Promise<void> {
  const verifierKey = await ctx.database.read(verifierKeyOf)
  if (verifierKey === undefined) return
  // the file first: what is filed was stored before
  const filed = await lastCheckpointIn(path, parseVerifierKey(verifierKey))
  const stored = await ctx.database.read(sealedSize)
  if (stored === null) return
  if (filed !== undefined && filed.size > stored) {
    ctx.log.error(
      { filed_size: filed.size, stored_size: stored },
      'The checkpoint file knows more audit entries than the database: entries were removed, or an older backup was restored. Run `hallpass audit verify --checkpoint` with that file.',
    )
    return
  }
  for (let isMore = filed?.size !== stored; isMore; ) {
    const count = await ctx.database.transaction((tx) => fileBatch(tx, path, verifierKey))
    isMore = count === batchSize
  }
}

async function fileBatch(tx: Transaction, path: string, verifierKey: string): Promise<number> {
  const lock = await tx.db.execute<{ locked: boolean }>(
    sql`select pg_try_advisory_xact_lock(${filingLock}::bigint) as locked`,
  )
  if (lock.rows[0]?.locked !== true) return 0
  const filed = await lastCheckpointIn(path, parseVerifierKey(verifierKey))
  const missing = await tx.db
    .select({ note: auditCheckpointTable.note })
    .from(auditCheckpointTable)
    .where(gt(auditCheckpointTable.size, filed?.size ?? -1))
    .orderBy(asc(auditCheckpointTable.size))
    .limit(batchSize)
  if (missing.length > 0) {
    const notes = missing.map(({ note }) => note)
    await appendNotes(path, notes, verifierKey)
  }
  return missing.length
}
