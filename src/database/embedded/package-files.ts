import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import type { ServerUser } from './server-user.ts'

/**
 * npm packages hold no symlinks, so the package lists those of its shared libraries, and its install script
 * makes them. Where install scripts are off, we do.
 *
 * @returns false when a link is missing and the folder cannot be written
 */
export function restoreLinks(native: string): boolean {
  try {
    for (const { source, target } of missingLinks(native)) {
      symlinkSync(relative(dirname(target), source), target)
    }
  } catch {
    // read-only, or another start makes them at this moment
  }
  return hasAllLinks(native)
}

export function hasAllLinks(native: string): boolean {
  return missingLinks(native).length === 0
}

/**
 * Copies a package's `native` folder to `<parent>/<platform>-<version>`, complete with links, or not at all.
 *
 * @returns the copy, which an earlier start may have made
 */
export function copyPackage(native: string, parent: string, owner: ServerUser | null): string {
  const name = `${process.platform}-${process.arch}-${versionOf(native)}`
  const copy = join(parent, name)
  if (existsSync(copy)) return copy
  mkdirSync(parent, { recursive: true })
  chmodSync(parent, 0o755)
  if (owner !== null) chownSync(parent, owner.uid, owner.gid)
  const partial = mkdtempSync(join(parent, 'copying-'))
  try {
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true, filter: isNeeded })
    restoreLinks(partial)
    openForReading(partial)
    renameSync(partial, copy)
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    if (!existsSync(copy)) throw error // else another start was faster
  }
  return copy
}

interface Link {
  readonly source: string
  readonly target: string
}

function missingLinks(native: string): Link[] {
  return listedLinks(native).filter(({ target }) => !existsSync(target))
}

/** The list has paths like `native/lib/libpq.so.5`, relative to the package. */
function listedLinks(native: string): Link[] {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return []
  const parsed: unknown = JSON.parse(readFileSync(list, 'utf8'))
  if (!Array.isArray(parsed)) return []
  const inside = (path: string) => join(native, relative('native', path))
  return parsed
    .filter(isLink)
    .map((link) => ({ source: inside(link.source), target: inside(link.target) }))
}

function isLink(value: unknown): value is Link {
  return (
    typeof value === 'object' &&
    value !== null &&
    'source' in value &&
    'target' in value &&
    typeof value.source === 'string' &&
    typeof value.target === 'string'
  )
}

function versionOf(native: string): string {
  const parsed: unknown = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8'))
  const version =
    typeof parsed === 'object' && parsed !== null && 'version' in parsed ? parsed.version : ''
  return String(version).replaceAll(/[^\w.-]/g, '_')
}

/** A checkout made under umask 077 has private modes, which the server's user could not pass. */
function openForReading(folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) chmodSync(path, 0o755)
    if (entry.isFile()) chmodSync(path, (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755)
  }
}

/** Static libraries and build files are of no use to a server. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a') && basename(path) !== 'pkgconfig'
}
