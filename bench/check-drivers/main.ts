import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { z } from 'zod'
import { installationRoot } from '../../src/installation.ts'
import {
  administer,
  type BenchDatabase,
  type BenchServer,
  startBenchServer,
} from '../support/postgres.ts'
import { table } from '../support/report.ts'

const seconds = 12
const killEveryMilliseconds = 100

const observations = z.object({
  committedCount: z.number(),
  failedCount: z.number(),
  strayedCount: z.number(),
  looseCount: z.number(),
  hungCount: z.number(),
  rolledBack: z.array(z.number()),
  uncaughtCount: z.number(),
})

interface Outcome extends z.output<typeof observations> {
  readonly driver: string
  readonly killCount: number
  readonly persistedCount: number
}

/** Why Hallpass speaks to Postgres through `pg`: backends die under load, and callers tell what they saw. */
async function main(): Promise<void> {
  const server = await startBenchServer()
  try {
    const outcomes: Outcome[] = []
    for (const driver of ['pg', 'postgres']) outcomes.push(await tryDriver(server, driver))
    process.stdout.write(`${report(outcomes)}\n`)
  } finally {
    await server.stop()
  }
}

async function tryDriver(server: BenchServer, driver: string): Promise<Outcome> {
  const database = await server.createDatabase()
  await administer(
    database.ownerUrl,
    `create table work (id bigint generated always as identity, attempt integer not null,
       step integer not null, ran_in text not null default pg_current_xact_id()::text)`,
    'create index work_attempt on work (attempt)',
    `grant select, insert on work to ${new URL(database.applicationUrl).username}`,
  )
  const file = join(installationRoot, 'dist', 'bench', 'check-drivers', 'driver-process.js')
  const child = spawn(process.execPath, [file, driver, database.applicationUrl, String(seconds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const said = text(child.stdout)
  let isOver = false
  const over = said.finally(() => {
    isOver = true
  })
  const killCount = await killBackends(database, () => isOver)
  const seen = observations.parse(JSON.parse(await over))
  process.off('exit', end)
  const persistedCount = await countPersisted(database, seen.rolledBack)
  return { ...seen, driver, killCount, persistedCount }
}

/** Ends a random backend that is in the middle of a transaction, again and again while callers run. */
async function killBackends(
  { applicationUrl }: BenchDatabase,
  isOver: () => boolean,
): Promise<number> {
  const client = new pg.Client({ connectionString: applicationUrl })
  await client.connect()
  let killCount = 0
  await sleep(1_000)
  const deadline = performance.now() + (seconds - 1) * 1000
  while (!isOver() && performance.now() < deadline) {
    const { rowCount } = await client.query(`select pg_terminate_backend(pid)
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
      order by random() limit 1`)
    killCount += rowCount ?? 0
    await sleep(killEveryMilliseconds)
  }
  await client.end()
  return killCount
}

async function countPersisted(
  { applicationUrl }: BenchDatabase,
  rolledBack: readonly number[],
): Promise<number> {
  const client = new pg.Client({ connectionString: applicationUrl })
  await client.connect()
  const { rows } = await client.query<{ count: string }>(
    'select count(*) from work where attempt = any($1)',
    [rolledBack],
  )
  await client.end()
  return Number(rows[0]?.count)
}

function report(outcomes: readonly Outcome[]): string {
  const row = (what: string, of: (outcome: Outcome) => string | number) => [
    what,
    ...outcomes.map((outcome) => String(of(outcome))),
  ]
  return table(
    ['48 callers while backends are killed', ...outcomes.map(({ driver }) => named(driver))],
    [
      row('backends killed in a transaction', ({ killCount }) => killCount),
      row('transactions committed', ({ committedCount }) => committedCount),
      row('transactions that failed, and said so', ({ failedCount }) => failedCount),
      row("statements run inside another caller's transaction", (seen) => seen.strayedCount),
      row('statements run outside any transaction of a caller', (seen) => seen.looseCount),
      row('rows of rolled-back transactions that persisted', (seen) => seen.persistedCount),
      row('hung callers', ({ hungCount }) => hungCount),
      row('uncatchable exceptions', ({ uncaughtCount }) => uncaughtCount),
    ],
  )
}

/** With the version that is installed. */
function named(driver: string): string {
  const file = join(installationRoot, 'node_modules', driver, 'package.json')
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(file, 'utf8')))
  return `${driver} ${version}`
}

// through 'exit', where children and servers are seen to
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
await main()
