import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { HallpassError } from '../errors.ts'
import { parseCatalog } from './parse-catalog.ts'

/** A catalog as text, together with the texts of the files it names. */
export interface CatalogText {
  readonly content: string
  /** By the path that the content gives. */
  readonly files: Readonly<Record<string, string>>
}

/** Reads a catalog and every file it names (paths start at its own folder). `not_found` when it cannot be read. */
export function readCatalogFile(path: string): CatalogText {
  const content = readText(path)
  if (content === undefined) {
    throw new HallpassError(
      'not_found',
      `The catalog ${path} cannot be read. Name a file that exists.`,
    )
  }
  const files: Record<string, string> = {}
  const folder = dirname(resolve(path))
  parseCatalog(content, {
    readFile: (name) => {
      const text = readText(resolve(folder, name))
      if (text !== undefined) files[name] = text
      return text
    },
  })
  return { content, files }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
