import { sql } from 'drizzle-orm'
import { encodeTime } from 'ulid'
import type { Queryable } from '../database/index.ts'

/** How the room fares, for metrics and `doctor`. */
export interface AccessStatus {
  readonly requestCounts: Readonly<Record<string, number>>
  readonly grantCounts: Readonly<Record<string, number>>
  /** From ask to decision, of requests that were decided by people in the last 24 hours; null when none was. */
  readonly decisionSeconds: { readonly p50: number; readonly p90: number } | null
  /** How long the oldest overdue grant waits for the job that ends it. It is refused all the same. */
  readonly expiryLagSeconds: number
}

/** Counts from indexes; cheap enough for a scrape every few seconds. */
export async function accessStatus(db: Queryable, now: Date): Promise<AccessStatus> {
  const at = now.toISOString()
  const counts = await db.execute<{ kind: 'request' | 'grant'; state: string; count: number }>(sql`
    select 'request' as kind, state, count(*)::int as count from access_request group by state
    union all
    select 'grant', state, count(*)::int from access_grant
      where state in ('scheduled', 'active', 'suspended') group by state`)
  const times = await db.execute<{ p50: number | null; p90: number | null }>(sql`
    select percentile_cont(0.5) within group (order by seconds) as p50,
           percentile_cont(0.9) within group (order by seconds) as p90
    from (select extract(epoch from r.decided_at - r.created_at)::float8 as seconds
          from access_request r
          -- ids sort by time, so the last day is a range of the primary key
          where r.state in ('approved', 'denied') and r.id > ${`req_${encodeTime(now.getTime() - dayMilliseconds, 10)}`}
            and exists (select from review v where v.request_id = r.id)) decided`)
  const lag = await db.execute<{ seconds: number | null }>(sql`
    select extract(epoch from ${at}::timestamptz - min(ends_at))::float8 as seconds
    from access_grant
    where state in ('scheduled', 'active', 'suspended') and ends_at <= ${at}::timestamptz`)
  const byKind = (kind: string) =>
    Object.fromEntries(
      counts.rows.filter((row) => row.kind === kind).map(({ state, count }) => [state, count]),
    )
  const { p50, p90 } = times.rows[0] ?? { p50: null, p90: null }
  return {
    requestCounts: byKind('request'),
    grantCounts: byKind('grant'),
    decisionSeconds: p50 === null || p90 === null ? null : { p50, p90 },
    expiryLagSeconds: Math.max(0, lag.rows[0]?.seconds ?? 0),
  }
}

const dayMilliseconds = 24 * 60 * 60 * 1000
