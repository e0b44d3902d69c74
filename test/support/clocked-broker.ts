import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, startBroker } from '../../src/broker.ts'
import { applyCatalog } from '../../src/catalog/index.ts'
import { readConfig } from '../../src/config.ts'
import type { OperationContext } from '../../src/context.ts'
import { jobTable } from '../../src/jobs/index.ts'
import { createLog } from '../../src/log.ts'
import { brokerEnvironment, freePort } from './broker.ts'
import { type SettableClock, settableClock } from './context.ts'
import { createTestDatabase, type TestDatabase } from './postgres.ts'

/** A broker over HTTP and a database of its own, whose clock and jobs run only when told. */
export interface ClockedBroker {
  readonly url: string
  readonly clock: SettableClock
  readonly database: TestDatabase
  /** A second later another broker over the same database, with nothing left in memory. */
  restart(): Promise<void>
  /** Every job once, those of the calendar too. */
  runJobs(): Promise<void>
  /** Puts a catalog in force, as `hallpass catalog apply` does. */
  apply(content: string): Promise<void>
  asOperator(): OperationContext
  stop(): Promise<void>
}

// the clock of a story is far from the database's
const trusted = { isTrusted: () => true, skewSeconds: () => 0 }

export async function startClockedBroker(settings: {
  readonly catalog: string
  readonly at: Date
  readonly environment?: Readonly<Record<string, string>>
}): Promise<ClockedBroker> {
  const database = await createTestDatabase()
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-clocked-'))
  const catalogFile = join(folder, 'hallpass.yaml')
  writeFileSync(catalogFile, settings.catalog)
  const environment = {
    ...brokerEnvironment(database, await freePort(), folder),
    HALLPASS_CONFIG: catalogFile,
    // the quickest keys to make
    HALLPASS_TOKEN_ALG: 'ES256',
    ...settings.environment,
  }
  const config = readConfig(environment, (path) => path === catalogFile)
  const clock = settableClock(settings.at)
  const start = () =>
    startBroker(config, {
      clock,
      log: createLog(() => {}),
      runsJobs: false,
      decorate: (services) => ({ ...services, clockMonitor: trusted }),
    })
  let broker: Broker = await start()
  const contextOf = (kind: 'job' | 'operator', id: string): OperationContext => ({
    ...broker.services,
    clockMonitor: trusted,
    actor: { kind, id, via: kind },
  })
  return {
    get url() {
      return broker.url
    },
    clock,
    database,
    restart: async () => {
      await broker.stop()
      clock.advance(1)
      broker = await start()
    },
    runJobs: async () => {
      const jobs = jobTable({ checkpointFile: join(folder, 'audit-checkpoints') })
      for (const job of jobs) await job.run(contextOf('job', job.name))
    },
    apply: async (content) => {
      await applyCatalog(contextOf('operator', 'tester'), { content, isForced: true })
    },
    asOperator: () => contextOf('operator', 'tester'),
    stop: async () => {
      await broker.stop()
      await database.drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
