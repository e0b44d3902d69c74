import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Actor, Clock, OperationContext, SecretBox, Services } from '../../src/context.ts'
import { systemIds } from '../../src/context.ts'
import { openDatabase } from '../../src/database/index.ts'
import { installationRoot } from '../../src/installation.ts'
import { createSecretBox } from '../../src/tokens/index.ts'
import { createTestDatabase, type TestDatabase } from './postgres.ts'

/** A clock that moves only when told. */
export interface SettableClock extends Clock {
  set(instant: Date | string): void
  advance(seconds: number): void
}

export function settableClock(start: Date): SettableClock {
  let now = start.getTime()
  let elapsed = 0
  return {
    now: () => new Date(now),
    monotonicMilliseconds: () => elapsed,
    set: (instant) => {
      now = new Date(instant).getTime()
    },
    advance: (seconds) => {
      now += seconds * 1000
      elapsed += seconds * 1000
    },
  }
}

export interface TestServices {
  readonly services: Services
  readonly clock: SettableClock
  readonly database: TestDatabase
  /** Lines that the code under test logged, as JSON. */
  readonly logLines: string[]
  /** How often the outbox was woken. */
  readonly wakeCount: () => number
  as(actor: Actor): OperationContext
  asPerson(id: string, via?: Actor['via']): OperationContext
  asWorkload(name: string): OperationContext
  asJob(name: string): OperationContext
  asOperator(): OperationContext
  close(): Promise<void>
}

/** Services over a fresh database, with a settable clock and the application's role. */
export async function createTestServices(
  options: { readonly startAt?: Date; readonly secretBox?: SecretBox } = {},
): Promise<TestServices> {
  const testDatabase = await createTestDatabase()
  const clock = settableClock(options.startAt ?? new Date())
  const logLines: string[] = []
  const logAs = (level: string) => (fields: object, message: string) => {
    logLines.push(JSON.stringify({ level, message, ...fields }))
  }
  let wakeCount = 0
  const database = openDatabase(testDatabase.applicationConnection, { maxConnections: 20 })
  const services: Services = {
    clock,
    clockMonitor: { isTrusted: () => true, skewSeconds: () => 0 },
    ids: systemIds(clock),
    log: { debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error') },
    database,
    secretBox: options.secretBox ?? createSecretBox({ masterKey: Buffer.alloc(32, 7) }),
    issuer: 'http://localhost:8080',
    tokenAlgorithm: 'RS256',
    wakeOutbox: () => {
      wakeCount += 1
    },
  }
  const as = (actor: Actor): OperationContext => ({ ...services, actor })
  return {
    services,
    clock,
    database: testDatabase,
    logLines,
    wakeCount: () => wakeCount,
    as,
    asPerson: (id, via = 'api') => as({ kind: 'person', id, via }),
    asWorkload: (name) =>
      as({ kind: 'workload', id: `workload:${name}`, via: 'client_credentials' }),
    asJob: (name) => as({ kind: 'job', id: name, via: 'job' }),
    asOperator: () => as({ kind: 'operator', id: 'tester', via: 'operator' }),
    close: async () => {
      await database.close()
      await testDatabase.drop()
    },
  }
}

/** The same, closed after the file's tests. */
export async function useTestServices(
  options: Parameters<typeof createTestServices>[0] = {},
): Promise<TestServices> {
  const created = await createTestServices(options)
  afterAll(() => created.close())
  return created
}

/** The text of the bundled example company. */
export function exampleCatalogText(): string {
  return readFileSync(join(installationRoot, 'example', 'hallpass.yaml'), 'utf8')
}
