import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import type { CommandIo } from './io.ts'

interface StoredSession {
  readonly access_token: string
  readonly subject: string
}

type StoredSessions = Readonly<Record<string, StoredSession>>

function pathOf(io: CommandIo): string {
  const state = io.environment.XDG_STATE_HOME
  // a relative path is to be ignored (XDG Base Directory Specification)
  const base = state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state')
  return join(base, 'hallpass', 'session.json')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** A missing or damaged file is the same as not being signed in. */
function read(io: CommandIo): StoredSessions {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(pathOf(io), 'utf8'))
  } catch {
    return {}
  }
  if (!isObject(parsed) || !isObject(parsed.sessions)) return {}
  const sessions: Record<string, StoredSession> = {}
  for (const [url, entry] of Object.entries(parsed.sessions)) {
    if (isObject(entry) && typeof entry.access_token === 'string') {
      sessions[url] = { access_token: entry.access_token, subject: String(entry.subject) }
    }
  }
  return sessions
}

/** The session of the environment, which wins over a stored one. */
export function givenSession(io: CommandIo): string | undefined {
  return io.environment.HALLPASS_SESSION?.trim() || undefined
}

/** The session token for this broker: HALLPASS_SESSION, else what `login` stored. */
export function currentSession(io: CommandIo, url: string): string | undefined {
  return givenSession(io) ?? read(io)[url]?.access_token
}

/** Keeps a session for this broker, readable by its owner alone. */
export function storeSession(
  io: CommandIo,
  url: string,
  accessToken: string,
  subject: string,
): void {
  write(io, { ...read(io), [url]: { access_token: accessToken, subject } })
}

/** Forgets the stored session of this broker; the file goes with the last one. */
export function forgetSession(io: CommandIo, url: string): void {
  const { [url]: _forgotten, ...rest } = read(io)
  if (Object.keys(rest).length === 0) rmSync(pathOf(io), { force: true })
  else write(io, rest)
}

function write(io: CommandIo, sessions: StoredSessions): void {
  const path = pathOf(io)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify({ sessions }, null, 2)}\n`, { mode: 0o600 })
  chmodSync(draft, 0o600)
  renameSync(draft, path)
}
