import type { Services } from '../context.ts'
import { readCatalogFile } from './catalog-file.ts'
import type { CatalogFault, CatalogWarning } from './finding.ts'
import { parseCatalog } from './parse-catalog.ts'
import { storedStanding } from './stored-standing.ts'

/** How this replica's file stands to the catalog in force, for `doctor` and metrics. */
export interface CatalogFileStatus {
  /** The version in force; undefined before the first. */
  readonly version: number | undefined
  /**
   * `in_force`: the file is what is in force. `catalog_reverted`: it equals an older version, and the one
   * in force stays until someone forces it. `not_stored`: it was never applied.
   */
  readonly status: 'in_force' | 'catalog_reverted' | 'not_stored'
  readonly faults: readonly CatalogFault[]
  readonly warnings: readonly CatalogWarning[]
}

/** Compares a file with what is stored; changes nothing. `not_found` when the file cannot be read. */
export async function catalogFileStatus(
  services: Pick<Services, 'database' | 'issuer'>,
  path: string,
): Promise<CatalogFileStatus> {
  const text = readCatalogFile(path)
  const { faults, warnings } = parseCatalog(text.content, {
    issuer: services.issuer,
    readFile: (name) => text.files[name],
  })
  const { hash, inForce, lastWith } = await services.database.read((db) => storedStanding(db, text))
  const status =
    inForce?.contentHash === hash
      ? 'in_force'
      : lastWith === undefined
        ? 'not_stored'
        : 'catalog_reverted'
  return { version: inForce?.version, status, faults, warnings }
}
