import { sql } from 'drizzle-orm'
import { dueGrants } from '../src/access/expire-grants.ts'
import { expireGrants } from '../src/access/index.ts'
import { nextBatch } from '../src/access/sweep-grants.ts'
import { type OperationContext, systemClock, systemIds } from '../src/context.ts'
import { type Database, openDatabase } from '../src/database/index.ts'
import { createSecretBox } from '../src/tokens/index.ts'
import { administer, startBenchServer } from './support/postgres.ts'
import { shown, table } from './support/report.ts'

const dueCount = 10_000
const sizes = [100_000, 1_000_000]

/** What one sweep cost, by Postgres' own account. */
interface Sweep {
  readonly grantCount: number
  readonly endedCount: number
  readonly plan: string
  /** 8 kB pages of the grants and their indexes that were looked at, from memory or not. */
  readonly pageCount: number
  readonly milliseconds: number
}

/**
 * Ends 10,000 due grants among 100,000 and among 1,000,000 that live, with the job's own operation and the query it
 * runs. The pages that are touched tell what the work is proportional to; they do not depend on the machine.
 */
export async function benchExpiry(): Promise<string> {
  const server = await startBenchServer()
  try {
    const { ownerUrl, applicationUrl } = await server.createDatabase()
    await administer(ownerUrl, ...preparation)
    const database = openDatabase(
      { connectionString: applicationUrl },
      // one connection, so that what it counted can be made to show
      { maxConnections: 1 },
    )
    const sweeps: Sweep[] = []
    let grantCount = 0
    for (const size of sizes) {
      await administer(ownerUrl, ...growth(grantCount, size))
      grantCount = size
      sweeps.push(await sweep(database, grantCount))
    }
    await database.close()
    return report(sweeps)
  } finally {
    await server.stop()
  }
}

/** One subject and one catalog version. Requests are left out: the sweep never looks at them. */
const preparation = [
  `insert into subject (id, kind, created_at) values ('alice@example.com', 'person', now())`,
  `insert into catalog_version (version, content, files, content_hash, applied_at, applied_by)
   values (1, '', '{}', '', now(), '{}')`,
  'alter table access_grant drop constraint access_grant_request_id_fkey',
]

/** Living grants up to `size`; those that are due lie among the new ones, spread over all of them. */
function growth(from: number, size: number): readonly string[] {
  const every = Math.floor((size - from) / dueCount)
  return [
    `insert into access_grant (id, request_id, subject, resource, audience, role, scopes, policy,
       catalog_version, state, token_lifetime_seconds, starts_at, ends_at, created_at)
     select 'grt_' || lpad(n::text, 26, '0'), 'req_' || lpad(n::text, 26, '0'), 'alice@example.com',
       'billing-api', 'https://billing.example.com', 'billing-operator', '{invoices:read}',
       'billing-operate', 1, 'active', 300, now() - interval '2 hours',
       case when n % ${every} = 0 then now() - interval '1 second'
         else now() + interval '1 day' * (1 + n % 30) end,
       now() - interval '2 hours'
     from generate_series(${from}, ${size - 1}) as n`,
    'vacuum (analyze) access_grant',
  ]
}

async function sweep(database: Database, grantCount: number): Promise<Sweep> {
  const plan = await explainBatch(database)
  const before = await pagesTouched(database)
  const start = performance.now()
  const { expiredCount } = await expireGrants(jobContext(database))
  const milliseconds = performance.now() - start
  const pageCount = (await pagesTouched(database)) - before
  return { grantCount, endedCount: expiredCount, plan, pageCount, milliseconds }
}

/** The plan of one batch of the job's query. What it locks it lets go. */
function explainBatch(database: Database): Promise<string> {
  return database.read(async (db) => {
    const batch = nextBatch(db, dueGrants(systemClock.now()))
    const { rows } = await db.execute<{ 'QUERY PLAN': string }>(
      sql`explain (analyze, buffers, costs off, timing off, summary off) ${batch}`,
    )
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  })
}

async function pagesTouched(database: Database): Promise<number> {
  return database.read(async (db) => {
    await db.execute(sql`select pg_stat_force_next_flush()`)
    const { rows } = await db.execute<{ pages: string }>(
      sql`select heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit as pages
          from pg_statio_user_tables where relname = 'access_grant'`,
    )
    return Number(rows[0]?.pages)
  })
}

function jobContext(database: Database): OperationContext {
  return {
    clock: systemClock,
    clockMonitor: { isTrusted: () => true, skewSeconds: () => 0 },
    ids: systemIds(systemClock),
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    database,
    secretBox: createSecretBox({ masterKey: Buffer.alloc(32, 7) }),
    issuer: 'http://localhost:8080',
    tokenAlgorithm: 'RS256',
    wakeOutbox: () => {},
    actor: { kind: 'job', id: 'expire-grants', via: 'job' },
  }
}

function report(sweeps: readonly Sweep[]): string {
  const [small] = sweeps
  const rows = sweeps.map(({ grantCount, endedCount, pageCount, milliseconds }) => [
    grantCount.toLocaleString('en'),
    endedCount.toLocaleString('en'),
    pageCount.toLocaleString('en'),
    shown(pageCount / endedCount),
    shown(pageCount / (small?.pageCount ?? pageCount)),
    shown(milliseconds / (small?.milliseconds ?? milliseconds)),
  ])
  const head = [
    'living grants',
    'ended',
    'pages touched',
    'pages a grant',
    'pages, times',
    'time, times',
  ]
  const plans = sweeps.map(
    ({ grantCount, plan }) =>
      `The plan of one batch among ${grantCount.toLocaleString('en')}:\n\n\`\`\`\n${plan}\n\`\`\``,
  )
  return [table(head, rows), ...plans].join('\n\n')
}
