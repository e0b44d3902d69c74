import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type Broker, startBroker } from '../../src/broker.ts'
import { readConfig } from '../../src/config.ts'
import { systemClock } from '../../src/context.ts'
import { createLog } from '../../src/log.ts'
import { createTestDatabase, type TestDatabase } from './postgres.ts'

/** A broker in this process, over a database of its own, reached over real HTTP. */
export interface TestBroker {
  readonly url: string
  readonly issuer: string
  readonly broker: Broker
  readonly database: TestDatabase
  /** Everything that was logged. */
  readonly logLines: string[]
  /** Stops the broker and starts another over the same database. */
  restart(): Promise<void>
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

/** The environment of a development broker over this database. */
export function brokerEnvironment(
  database: Pick<TestDatabase, 'applicationUrl' | 'ownerUrl'>,
  port: number,
  dataDirectory: string,
): Record<string, string> {
  return {
    PORT: String(port),
    DATABASE_URL: database.applicationUrl,
    HALLPASS_OWNER_DATABASE_URL: database.ownerUrl,
    HALLPASS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    HALLPASS_DATA_DIR: dataDirectory,
    HALLPASS_DEVELOPMENT: 'true',
    HALLPASS_RATE_LIMITS: 'off',
  }
}

/** Starts a broker before the file's tests and stops it after them. */
export function useTestBroker(extra: Readonly<Record<string, string>> = {}): TestBroker {
  const logLines: string[] = []
  const dataDirectory = mkdtempSync(join(tmpdir(), 'hallpass-test-'))
  let state: { broker: Broker; database: TestDatabase; port: number } | undefined
  const running = () => {
    if (state === undefined) throw new Error('the test broker is not running')
    return state
  }
  const start = async (database: TestDatabase, port: number) => {
    const environment = { ...brokerEnvironment(database, port, dataDirectory), ...extra }
    const isCatalogGiven = extra.HALLPASS_CONFIG !== undefined
    const config = readConfig(environment, (path) => isCatalogGiven && existsSync(path))
    const log = createLog((line) => logLines.push(line))
    state = { broker: await startBroker(config, { clock: systemClock, log }), database, port }
  }
  beforeAll(async () => start(await createTestDatabase(), await freePort()))
  afterAll(async () => {
    await state?.broker.stop()
    await state?.database.drop()
    rmSync(dataDirectory, { recursive: true, force: true })
  })
  return {
    get url() {
      return running().broker.url
    },
    get issuer() {
      return running().broker.services.issuer
    },
    get broker() {
      return running().broker
    },
    get database() {
      return running().database
    },
    logLines,
    restart: async () => {
      const { broker, database, port } = running()
      await broker.stop()
      await start(database, port)
    },
  }
}
