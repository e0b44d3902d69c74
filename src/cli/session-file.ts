import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { CommandIo } from './io.ts'

interface StoredSessions {
  readonly sessions: Readonly<Record<string, { access_token: string; subject: string }>>
}

function pathOf(io: CommandIo): string {
  const state = io.environment.XDG_STATE_HOME
  const base = state !== undefined && state !== '' ? state : join(homedir(), '.local', 'state')
  return join(base, 'hallpass', 'session.json')
}

function read(io: CommandIo): StoredSessions {
  try {
    const parsed: unknown = JSON.parse(readFileSync(pathOf(io), 'utf8'))
    if (typeof parsed === 'object' && parsed !== null && 'sessions' in parsed) {
      return parsed as StoredSessions
    }
  } catch {
    // a missing or damaged file is the same as not being signed in
  }
  return { sessions: {} }
}

/** The session token for this broker: HALLPASS_SESSION, else what `login` stored. */
export function storedSession(io: CommandIo, url: string): string | undefined {
  const given = io.environment.HALLPASS_SESSION
  if (given !== undefined && given !== '') return given
  return read(io).sessions[url]?.access_token
}

/** Keeps a session for this broker, readable by its owner alone. */
export function storeSession(
  io: CommandIo,
  url: string,
  accessToken: string,
  subject: string,
): void {
  write(io, { sessions: { ...read(io).sessions, [url]: { access_token: accessToken, subject } } })
}

export function forgetSession(io: CommandIo, url: string): void {
  const { [url]: _forgotten, ...rest } = read(io).sessions
  if (Object.keys(rest).length === 0) rmSync(pathOf(io), { force: true })
  else write(io, { sessions: rest })
}

function write(io: CommandIo, stored: StoredSessions): void {
  const path = pathOf(io)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 })
  chmodSync(draft, 0o600)
  renameSync(draft, path)
}
