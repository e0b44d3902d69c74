import { sql } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { catalogVersionTable } from '../database/schema/catalog.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'
import { type CatalogText, readCatalogFile } from './catalog-file.ts'
import type { CatalogWarning } from './finding.ts'
import { parseCatalog } from './parse-catalog.ts'
import { type StoredStanding, storedStanding } from './stored-standing.ts'

const applyLock = '7133701926415'

export interface AppliedCatalog {
  /** The version in force afterwards. */
  readonly version: number
  /**
   * `applied` made a new version; `unchanged` is in force already; `reverted` equals an older version, so
   * the one in force stays (only a booting replica gets this answer).
   */
  readonly outcome: 'applied' | 'unchanged' | 'reverted'
  readonly warnings: readonly CatalogWarning[]
}

/**
 * Puts a catalog in force on every replica. Content that was in force before and is no longer is refused
 * as `stale_version` unless forced; a catalog with faults changes nothing (`invalid_input`, every fault
 * at once). Operators only.
 */
export async function applyCatalog(
  ctx: OperationContext,
  input: Partial<CatalogText> & { readonly content: string; readonly isForced?: boolean },
): Promise<AppliedCatalog> {
  return operate(ctx, 'apply-catalog', async (tx) => {
    if (ctx.actor.kind !== 'operator') throw notPermitted()
    const text = { content: input.content, files: input.files ?? {} }
    const warnings = check(ctx, text)
    const isForced = input.isForced ?? false
    const { inForce, lastWith, hash } = await standing(tx, text)
    if (inForce?.contentHash === hash) {
      return { version: inForce.version, outcome: 'unchanged', warnings }
    }
    if (inForce !== undefined && lastWith !== undefined && !isForced) {
      throw new HallpassError(
        'stale_version',
        `This is what version ${lastWith} was, and version ${inForce.version} replaced it. To go back to it, apply it with --force.`,
        { refusal: { details: { content_hash: hash, equals_version: lastWith } } },
      )
    }
    const version = await store(tx, ctx, text, hash, (inForce?.version ?? 0) + 1, isForced)
    return { version, outcome: 'applied', warnings }
  })
}

/**
 * What a booting replica does with its own file: stores it only if that content was never stored. One that
 * equals an older version leaves the one in force, and says so in the log as `catalog_reverted`.
 */
export async function storeCatalogFile(
  ctx: OperationContext,
  path: string,
): Promise<AppliedCatalog> {
  const text = readCatalogFile(path)
  const applied = await operate(ctx, 'apply-catalog', async (tx): Promise<AppliedCatalog> => {
    if (ctx.actor.kind !== 'operator' && ctx.actor.kind !== 'job') throw notPermitted()
    const warnings = check(ctx, text)
    const { inForce, lastWith, hash } = await standing(tx, text)
    if (inForce?.contentHash === hash) {
      return { version: inForce.version, outcome: 'unchanged', warnings }
    }
    if (inForce !== undefined && lastWith !== undefined) {
      return { version: inForce.version, outcome: 'reverted', warnings }
    }
    const version = await store(tx, ctx, text, hash, (inForce?.version ?? 0) + 1, false)
    return { version, outcome: 'applied', warnings }
  })
  if (applied.outcome === 'reverted') {
    ctx.log.warn(
      { code: 'catalog_reverted', version: applied.version, path },
      'the catalog file equals an older version; the one in force stays. Go back with: hallpass catalog apply FILE --force',
    )
  }
  return applied
}

function notPermitted(): HallpassError {
  return new HallpassError(
    'not_permitted',
    'Only an operator on the broker’s own machine may apply a catalog.',
    { refusal: {} },
  )
}

function check(ctx: OperationContext, text: CatalogText): readonly CatalogWarning[] {
  const { faults, warnings } = parseCatalog(text.content, {
    issuer: ctx.issuer,
    readFile: (path) => text.files[path],
  })
  if (faults.length === 0) return warnings
  throw new HallpassError(
    'invalid_input',
    `The catalog has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}, so nothing was changed.`,
    {
      errors: faults.map(({ line, column, pointer, message }) => ({
        pointer,
        message: `line ${line}, column ${column}: ${message}`,
      })),
    },
  )
}

/** Waits for its turn among replicas, then sees what is stored. */
async function standing(tx: Transaction, text: CatalogText): Promise<StoredStanding> {
  await tx.db.execute(sql`select pg_advisory_xact_lock(${applyLock}::bigint)`)
  return storedStanding(tx.db, text)
}

async function store(
  tx: Transaction,
  ctx: OperationContext,
  text: CatalogText,
  hash: string,
  version: number,
  isForced: boolean,
): Promise<number> {
  const { kind, id, via } = ctx.actor
  await tx.db.insert(catalogVersionTable).values({
    version,
    content: text.content,
    files: { ...text.files },
    contentHash: hash,
    appliedAt: ctx.clock.now(),
    appliedBy: { kind, id, via },
    isForced,
  })
  await appendEntry(tx, ctx, {
    action: 'apply-catalog',
    outcome: 'ok',
    details: { version, content_hash: hash, is_forced: isForced },
  })
  return version
}
