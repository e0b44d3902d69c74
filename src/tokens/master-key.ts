import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The master key of an installation with the embedded database: made once, 32 random bytes, readable by its
 * owner alone. Two starts at once agree on one key.
 */
export function masterKeyInFolder(dataDirectory: string): Buffer {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 })
  const path = join(dataDirectory, 'master.key')
  const existing = read(path)
  if (existing !== undefined) return existing
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(draft, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
  try {
    // unlike a rename, a link never replaces a key that another start made meanwhile
    linkSync(draft, path)
    chmodSync(path, 0o600)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    unlinkSync(draft)
  }
  const key = read(path)
  if (key === undefined) throw new Error(`the master key at ${path} cannot be read`)
  return key
}

function read(path: string): Buffer | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Error(
      `The master key at ${path} cannot be read. Give its owner the right to read it.`,
    )
  }
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length === 32) return key
  throw new Error(
    `The master key at ${path} is damaged. Restore it from a backup: without it the signing keys cannot be opened.`,
  )
}
