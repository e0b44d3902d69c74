import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('Hallpass cannot find its own package.json')
    folder = parent
  }
  return folder
}

/** The folder that holds package.json, migrations and the example catalog, from source or from dist. */
export const installationRoot = findRoot()
