import { sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'

/** What one audit entry says, beside who, when and which. Never a secret. */
export interface EntryFacts {
  /** The operation's name, `verb-noun`. */
  readonly action: string
  readonly outcome: 'ok' | 'refused'
  /** The error code of a refusal. */
  readonly code?: string | undefined
  readonly subject?: string | undefined
  readonly resource?: string | undefined
  readonly requestId?: string | undefined
  readonly grantId?: string | undefined
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Writes an audit entry in the caller's transaction, through the one database function that the
 * application's role may execute.
 */
export async function appendEntry(
  tx: Transaction,
  ctx: Pick<OperationContext, 'actor' | 'clock' | 'ids'>,
  facts: EntryFacts,
): Promise<void> {
  const { kind, id, via } = ctx.actor
  await tx.db.execute(sql`select append_audit_entry(
    ${ctx.ids.next('aud')}, ${ctx.clock.now().toISOString()}::timestamptz, ${facts.action},
    ${kind}, ${storable(id)}, ${via}, ${storable(facts.subject)}, ${storable(facts.resource)},
    ${storable(facts.requestId)}, ${storable(facts.grantId)}, ${facts.outcome}, ${facts.code ?? null},
    ${storableJson(facts.details ?? {})}::jsonb)`)
}

/** The same for many entries of one act, in one statement. */
export async function appendEntries(
  tx: Transaction,
  ctx: Pick<OperationContext, 'actor' | 'clock' | 'ids'>,
  entries: readonly EntryFacts[],
): Promise<void> {
  if (entries.length === 0) return
  const { kind, id, via } = ctx.actor
  const rows = entries.map(({ requestId, grantId, details = {}, ...facts }) => ({
    ...facts,
    id: ctx.ids.next('aud'),
    request_id: requestId,
    grant_id: grantId,
    details,
  }))
  await tx.db.execute(sql`select append_audit_entry(
      e.id, ${ctx.clock.now().toISOString()}::timestamptz, e.action, ${kind}, ${storable(id)}, ${via},
      e.subject, e.resource, e.request_id, e.grant_id, e.outcome, e.code, e.details)
    from jsonb_to_recordset(${storableJson(rows)}::jsonb) as e (id text, action text, subject text,
      resource text, request_id text, grant_id text, outcome text, code text, details jsonb)`)
}

// Postgres stores neither NUL nor half a surrogate pair; a refusal must be on record whatever was sent

function storable(text: string | undefined): string | null {
  return text?.replaceAll('\0', '\ufffd').replaceAll(/\p{Surrogate}/gu, '\ufffd') ?? null
}

function storableJson(value: object): string {
  return JSON.stringify(value).replaceAll(/\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g, (found) =>
    found === '\\\\' ? found : '\\ufffd',
  )
}
