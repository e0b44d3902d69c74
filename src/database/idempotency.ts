import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { HallpassError } from '../errors.ts'
import type { Transaction } from './database.ts'

/** An answer as it went out the first time, without secrets. */
export interface RecordedAnswer {
  readonly status: number
  readonly body: unknown
}

/** One call that carried an `Idempotency-Key`. */
export interface IdempotentCall {
  /** What the key belongs to: actor, method and path, and the key itself. */
  readonly scope: readonly [actor: string, method: string, path: string, key: string]
  /** SHA-256 of the body, hex */
  readonly bodyDigest: string
  /** What a repetition will be answered with. Must leave secrets out. */
  readonly render: (output: unknown) => RecordedAnswer
}

/** Thrown instead of running the operation again: the first answer, to be sent once more. */
export class IdempotentReplay extends Error {
  readonly answer: RecordedAnswer

  constructor(answer: RecordedAnswer) {
    super('this call was answered before')
    this.name = 'IdempotentReplay'
    this.answer = answer
  }
}

function digestOf(call: IdempotentCall): Buffer {
  return createHash('sha256').update(JSON.stringify(call.scope)).digest()
}

/**
 * Claims the key for this transaction. Throws IdempotentReplay when the call committed before,
 * `idempotency_key_reused` for another body, `idempotency_in_progress` while the first call runs.
 */
export async function beginIdempotent(
  tx: Transaction,
  call: IdempotentCall,
  now: Date,
): Promise<void> {
  const digest = digestOf(call)
  const lockKey = digest.readBigInt64BE(0).toString()
  const lock = await tx.db.execute<{ locked: boolean }>(
    sql`select pg_try_advisory_xact_lock(${lockKey}::bigint) as locked`,
  )
  if (lock.rows[0]?.locked !== true) {
    throw new HallpassError(
      'idempotency_in_progress',
      'A call with this Idempotency-Key is still running. Wait for it, then repeat the call.',
    )
  }
  const found = await tx.db.execute<{ body_digest: string; status: number; body: unknown }>(
    sql`select body_digest, status, body from idempotency_key
        where digest = ${digest} and created_at > ${keptSince(now)}::timestamptz`,
  )
  const row = found.rows[0]
  if (row === undefined) return
  if (row.body_digest !== call.bodyDigest) {
    throw new HallpassError(
      'idempotency_key_reused',
      'This Idempotency-Key was used with another body. Use a new key for a new call.',
    )
  }
  throw new IdempotentReplay({ status: row.status, body: row.body })
}

/** Keeps the answer, in the operation's own transaction. */
export async function completeIdempotent(
  tx: Transaction,
  call: IdempotentCall,
  output: unknown,
  now: Date,
): Promise<void> {
  const answer = call.render(output)
  await tx.db.execute(
    sql`insert into idempotency_key (digest, body_digest, status, body, created_at)
        values (${digestOf(call)}, ${call.bodyDigest}, ${answer.status},
                ${JSON.stringify(answer.body ?? null)}::json, ${now.toISOString()}::timestamptz)
        on conflict (digest) do update set body_digest = excluded.body_digest,
          status = excluded.status, body = excluded.body, created_at = excluded.created_at`,
  )
}

/** Removes keys older than 24 hours; returns how many. */
export async function forgetIdempotencyKeys(tx: Transaction, now: Date): Promise<number> {
  const result = await tx.db.execute(
    sql`delete from idempotency_key where created_at <= ${keptSince(now)}::timestamptz`,
  )
  return result.rowCount ?? 0
}

function keptSince(now: Date): string {
  return new Date(now.getTime() - 24 * 60 * 60 * 1000).toISOString()
}
