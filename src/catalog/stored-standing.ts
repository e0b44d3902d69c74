import { createHash } from 'node:crypto'
import { desc, eq } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import { catalogVersionTable } from '../database/schema/catalog.ts'
import type { CatalogText } from './catalog-file.ts'
import { versionInForce } from './in-force.ts'

/** How a text stands to what is stored. */
export interface StoredStanding {
  /** SHA-256, hex, of the text and of every file it names. */
  readonly hash: string
  readonly inForce: { readonly version: number; readonly contentHash: string } | undefined
  /** The last version with exactly this text. */
  readonly lastWith: number | undefined
}

export async function storedStanding(db: Queryable, text: CatalogText): Promise<StoredStanding> {
  const hash = contentHash(text)
  const inForce = await versionInForce(db)
  const [last] = await db
    .select({ version: catalogVersionTable.version })
    .from(catalogVersionTable)
    .where(eq(catalogVersionTable.contentHash, hash))
    .orderBy(desc(catalogVersionTable.version))
    .limit(1)
  return { hash, inForce, lastWith: last?.version }
}

function contentHash({ content, files }: CatalogText): string {
  const named = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return createHash('sha256')
    .update(JSON.stringify([content, named]))
    .digest('hex')
}
