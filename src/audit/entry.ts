import canonicalize from 'canonicalize'
import { leafHash } from './merkle.ts'

/** What an audit entry says; this, and nothing else, is what the log's Merkle tree seals. */
export interface EntryFields {
  readonly id: string
  readonly at: Date
  /** The operation's name, `verb-noun`. */
  readonly action: string
  readonly actor: { readonly kind: string; readonly id: string; readonly via: string }
  readonly subject: string | null
  readonly resource: string | null
  readonly requestId: string | null
  readonly grantId: string | null
  readonly outcome: 'ok' | 'refused'
  /** The error code of a refusal. */
  readonly code: string | null
  readonly details: Readonly<Record<string, unknown>>
}

/**
 * The leaf's data: the RFC 8785 JSON of the entry as `GET /v1/audit` shows it, without `position` and
 * `hash`, so that anyone can compute the hash from what they read.
 */
function leafDataOf(entry: EntryFields): Buffer {
  const { kind, id, via } = entry.actor
  const json = canonicalize({
    id: entry.id,
    at: entry.at.toISOString(),
    action: entry.action,
    actor: { kind, id, via },
    subject: entry.subject,
    resource: entry.resource,
    request_id: entry.requestId,
    grant_id: entry.grantId,
    outcome: entry.outcome,
    code: entry.code,
    details: entry.details,
  })
  if (json === undefined) throw new TypeError('an audit entry is always an object')
  return Buffer.from(json, 'utf8')
}

/** The entry's leaf hash in the log: SHA-256(0x00 || leaf data), 32 bytes. */
export function entryHash(entry: EntryFields): Buffer {
  return leafHash(leafDataOf(entry))
}

/** The same for an entry that somebody tampered with: undefined when it holds what no JSON of ours can. */
export function hashIfAny(entry: EntryFields): Buffer | undefined {
  try {
    return entryHash(entry)
  } catch {
    return undefined
  }
}
