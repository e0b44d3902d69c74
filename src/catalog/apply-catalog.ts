import { sql } from 'drizzle-orm'
import { appendEntry } from '../audit/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { catalogVersionTable } from '../database/schema/catalog.ts'
import { HallpassError, type InputFault } from '../errors.ts'
import { operate } from '../operation.ts'
import { type CatalogText, readCatalogFile } from './catalog-file.ts'
import type { CatalogFault, CatalogWarning } from './finding.ts'
import { parseCatalog } from './parse-catalog.ts'
import { type StoredStanding, storedStanding } from './stored-standing.ts'

const applyLock = '7133701926415'

export interface AppliedCatalog {
  /** The version in force afterwards. */
  readonly version: number
  /**
   * `applied` made a new version; `unchanged` is in force already; `reverted` equals an older version, so
   * the one in force stays; `faulty` does not check, and the one in force stays (only a booting replica gets
   * these two answers).
   */
  readonly outcome: 'applied' | 'unchanged' | 'reverted' | 'faulty'
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
 * equals an older version leaves the one in force, and says so in the log as `catalog_reverted`. One with
 * faults changes nothing: the replica starts under the catalog in force and says `catalog_faults`, so that a
 * slip in a file never keeps the company out. Where none is in force yet, every fault is thrown at once.
 */
export async function storeCatalogFile(
  ctx: OperationContext,
  path: string,
): Promise<AppliedCatalog> {
  const text = readCatalogFile(path)
  const { faults, warnings } = parse(ctx, text)
  const applied = await operate(ctx, 'apply-catalog', async (tx): Promise<AppliedCatalog> => {
    if (ctx.actor.kind !== 'operator' && ctx.actor.kind !== 'job') throw notPermitted()
    const { inForce, lastWith, hash } = await standing(tx, text)
    if (faults.length > 0) {
      if (inForce === undefined) throw faulty(`The catalog ${path}`, faults)
      return { version: inForce.version, outcome: 'faulty', warnings }
    }
    if (inForce?.contentHash === hash) {
      return { version: inForce.version, outcome: 'unchanged', warnings }
    }
    if (inForce !== undefined && lastWith !== undefined) {
      return { version: inForce.version, outcome: 'reverted', warnings }
    }
    const version = await store(tx, ctx, text, hash, (inForce?.version ?? 0) + 1, false)
    return { version, outcome: 'applied', warnings }
  })
  sayWhatStays(ctx, path, applied, faults)
  return applied
}

function sayWhatStays(
  { log }: Pick<OperationContext, 'log'>,
  path: string,
  { outcome, version }: AppliedCatalog,
  faults: readonly CatalogFault[],
): void {
  if (outcome === 'reverted') {
    log.warn(
      { code: 'catalog_reverted', version, path },
      'the catalog file equals an older version; the one in force stays. Go back with: hallpass catalog apply FILE --force',
    )
  }
  if (outcome === 'faulty') {
    log.error(
      { code: 'catalog_faults', version, path, faults: faults.map(placed) },
      'the catalog file has faults and changes nothing; the one in force stays. Mend it, see: hallpass catalog check FILE',
    )
  }
}

function notPermitted(): HallpassError {
  return new HallpassError(
    'not_permitted',
    'Only an operator on the broker’s own machine may apply a catalog.',
    { refusal: {} },
  )
}

function parse(ctx: OperationContext, text: CatalogText) {
  return parseCatalog(text.content, { issuer: ctx.issuer, readFile: (path) => text.files[path] })
}

function check(ctx: OperationContext, text: CatalogText): readonly CatalogWarning[] {
  const { faults, warnings } = parse(ctx, text)
  if (faults.length === 0) return warnings
  throw faulty('The catalog', faults)
}

function faulty(what: string, faults: readonly CatalogFault[]): HallpassError {
  const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`
  return new HallpassError('invalid_input', `${what} has ${count}, so nothing was changed.`, {
    errors: faults.map((fault): InputFault => ({ pointer: fault.pointer, message: placed(fault) })),
  })
}

function placed({ line, column, message }: CatalogFault): string {
  return `line ${line}, column ${column}: ${message}`
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
