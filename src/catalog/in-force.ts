import { desc, eq } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import { catalogVersionTable } from '../database/schema/catalog.ts'
import { HallpassError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import { parseCatalog } from './parse-catalog.ts'

const maxCompiled = 16
// what a version and hash name never changes; several databases may share the process
const compiled = new Map<string, Catalog>()

/** Which catalog is in force: its version and the hash of its content. Undefined before the first. */
export async function versionInForce(
  db: Queryable,
): Promise<{ readonly version: number; readonly contentHash: string } | undefined> {
  const [row] = await db
    .select({
      version: catalogVersionTable.version,
      contentHash: catalogVersionTable.contentHash,
    })
    .from(catalogVersionTable)
    .orderBy(desc(catalogVersionTable.version))
    .limit(1)
  return row
}

/**
 * The catalog in force, the same on every replica as of this query. `cannot_decide` when none was ever
 * stored, or when what is stored no longer checks.
 */
export async function catalogInForce(db: Queryable): Promise<Catalog> {
  const current = await versionInForce(db)
  if (current === undefined) {
    throw new HallpassError(
      'cannot_decide',
      'No catalog is in force, so nothing can be decided. Apply one: hallpass catalog apply FILE.',
    )
  }
  const key = `${current.version}:${current.contentHash}`
  const known = compiled.get(key)
  if (known !== undefined) return known
  const catalog = await compileStored(db, current.version)
  compiled.set(key, catalog)
  const [oldest] = compiled.keys()
  if (compiled.size > maxCompiled && oldest !== undefined) compiled.delete(oldest)
  return catalog
}

async function compileStored(db: Queryable, version: number): Promise<Catalog> {
  const [row] = await db
    .select({ content: catalogVersionTable.content, files: catalogVersionTable.files })
    .from(catalogVersionTable)
    .where(eq(catalogVersionTable.version, version))
  const { catalog, faults } =
    row === undefined
      ? { catalog: undefined, faults: [] }
      : parseCatalog(row.content, { readFile: (path) => row.files[path] })
  if (catalog !== undefined) return { ...catalog, version }
  const first = faults[0]
  throw new HallpassError(
    'cannot_decide',
    `The catalog in force (version ${version}) does not check under this release${
      first === undefined ? '' : `: line ${first.line}, ${first.message}`
    } Apply a mended one: hallpass catalog apply FILE.`,
  )
}
