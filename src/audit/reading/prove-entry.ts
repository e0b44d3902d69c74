import type { OperationContext } from '../../context.ts'
import type { Queryable } from '../../database/index.ts'
import { HallpassError } from '../../errors.ts'
import { operate } from '../../operation.ts'
import type { LeafRange } from '../merkle.ts'
import { consistencyRanges, inclusionRanges } from '../proofs.ts'
import { hashesOfRanges, sealedSize } from '../stored-log.ts'
import { requireReader } from './require-reader.ts'

/** Hashes are base64. Positions count from 1; the tree's leaf index is the position minus 1. */
export interface InclusionProof {
  readonly position: number
  /** The log's size that the proof is for. */
  readonly size: number
  readonly hash: string
  readonly root: string
  readonly proof: readonly string[]
}

export interface ConsistencyProof {
  readonly from: number
  readonly to: number
  readonly fromRoot: string
  readonly toRoot: string
  readonly proof: readonly string[]
}

/**
 * Proves that an entry is in the log of `size` entries, by default of all sealed ones (RFC 6962 section
 * 2.1.1). For admins and operators. Throws `not_permitted`, `invalid_input`.
 */
export async function proveEntry(
  ctx: OperationContext,
  input: { readonly position: number; readonly size?: number | undefined },
): Promise<InclusionProof> {
  return operate(ctx, 'prove-audit-entry', async (tx) => {
    await requireReader(tx.db, ctx)
    const size = await sizeWithin(tx.db, '/size', input.size)
    const { position } = input
    if (!Number.isInteger(position) || position < 1 || position > size) {
      throw notThere('/position', `The log of ${size} entries has no such position.`)
    }
    const leaf = { start: position - 1, end: position }
    const ranges = inclusionRanges(position - 1, size)
    const [hash, root, ...proof] = await textsOf(tx.db, [leaf, whole(size), ...ranges])
    return { position, size, hash: hash ?? '', root: root ?? '', proof }
  })
}

/**
 * Proves that the log of `from` entries is the beginning of the log of `to`, by default of all sealed ones
 * (RFC 6962 section 2.1.2). For admins and operators. Throws `not_permitted`, `invalid_input`.
 */
export async function proveGrowth(
  ctx: OperationContext,
  input: { readonly from: number; readonly to?: number | undefined },
): Promise<ConsistencyProof> {
  return operate(ctx, 'prove-audit-growth', async (tx) => {
    await requireReader(tx.db, ctx)
    const to = await sizeWithin(tx.db, '/to', input.to)
    const { from } = input
    if (!Number.isInteger(from) || from < 0 || from > to) {
      throw notThere('/from', `The log of ${to} entries never had this size before.`)
    }
    const ranges = consistencyRanges(from, to)
    const [fromRoot, toRoot, ...proof] = await textsOf(tx.db, [whole(from), whole(to), ...ranges])
    return { from, to, fromRoot: fromRoot ?? '', toRoot: toRoot ?? '', proof }
  })
}

async function sizeWithin(
  db: Queryable,
  pointer: string,
  asked: number | undefined,
): Promise<number> {
  const sealed = (await sealedSize(db)) ?? 0
  const size = asked ?? sealed
  if (Number.isInteger(size) && size >= 0 && size <= sealed) return size
  throw notThere(pointer, `The log has ${sealed} sealed entries.`)
}

function whole(size: number): LeafRange {
  return { start: 0, end: size }
}

async function textsOf(db: Queryable, ranges: readonly LeafRange[]): Promise<readonly string[]> {
  return (await hashesOfRanges(db, ranges)).map((hash) => hash.toString('base64'))
}

function notThere(pointer: string, message: string): HallpassError {
  return new HallpassError('invalid_input', message, { errors: [{ pointer, message }] })
}
