import { join, resolve } from 'node:path'
import { type Catalog, parseCatalog, readCatalogFile } from '../catalog/index.ts'
import { HallpassError } from '../errors.ts'
import { installationRoot } from '../installation.ts'
import { CommandEnd, type CommandIo, exitStatus } from './io.ts'

/** A place in a catalog file, and what is to say about it. */
export interface FileFinding {
  readonly line: number
  readonly column: number
  readonly message: string
}

interface CheckedFile {
  /** Undefined when there are faults. */
  readonly catalog: Catalog | undefined
  readonly faults: readonly FileFinding[]
  readonly warnings: readonly FileFinding[]
}

/** Reads and checks a catalog file; ends the command when it cannot be read. */
export function checkFile(io: CommandIo, file: string): CheckedFile {
  const { content, files } = readText(file)
  const issuer = io.environment.HALLPASS_ISSUER?.trim()
  return parseCatalog(content, {
    ...(issuer ? { issuer } : {}),
    readFile: (name) => files[name],
  })
}

function readText(file: string) {
  try {
    return readCatalogFile(file)
  } catch (error) {
    if (error instanceof HallpassError) throw new CommandEnd(exitStatus.usage, error.message)
    throw error
  }
}

/** One line each, as compilers write them: `file:line:column: fault: message`. */
export function faultLines(
  file: string,
  faults: readonly FileFinding[],
  warnings: readonly FileFinding[],
): string[] {
  const at =
    (kind: string) =>
    ({ line, column, message }: FileFinding) =>
      `${file}:${line}:${column}: ${kind}: ${message}`
  return [...faults.map(at('fault')), ...warnings.map(at('warning'))]
}

/** The catalog of this folder: HALLPASS_CONFIG, else ./hallpass.yaml, else the bundled example. */
export function localCatalogFile(io: CommandIo): string {
  const named = io.environment.HALLPASS_CONFIG?.trim()
  if (named) return named
  const own = resolve('hallpass.yaml')
  try {
    readCatalogFile(own)
    return own
  } catch {
    return join(installationRoot, 'example', 'hallpass.yaml')
  }
}
