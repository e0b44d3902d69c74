import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'
import { startBroker } from '../../src/broker.ts'
import { readConfig } from '../../src/config.ts'
import { type Services, systemClock } from '../../src/context.ts'
import type { Database } from '../../src/database/index.ts'
import { laneCount } from '../support/broker.ts'
import { HttpConnection } from '../support/http-connection.ts'
import { askApproveMint, type Pair, signInPair } from '../support/journey.ts'

/** A statement as it went to Postgres. */
export interface RecordedStatement {
  readonly text: string
  readonly values: readonly unknown[]
  readonly name: string | undefined
  readonly rowMode: 'array' | undefined
  /** How many rows it gave or touched. */
  rowCount: number | null
}

/** All that one journey sent, in order. */
export interface RecordedJourney {
  readonly statements: readonly RecordedStatement[]
  /** The instant that the journey's own instants are near. */
  readonly at: Date
}

const recording = new AsyncLocalStorage<RecordedStatement[]>()

/**
 * Runs one journey of lane 0 against a broker in this process and records what its calls, and nothing else, send
 * through `pg`: transaction control, session look-ups, locks, audit, outbox. A first journey warms every cache up.
 */
export async function recordJourney(
  environment: Readonly<Record<string, string>>,
): Promise<RecordedJourney> {
  const statements: RecordedStatement[] = []
  const restore = recordStatements()
  const broker = await startBroker(
    readConfig(environment, () => true),
    {
      clock: systemClock,
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      runsJobs: false,
      decorate: (services) => recorded(services, statements),
    },
  )
  const connection = await HttpConnection.open(broker.url)
  try {
    // everybody has been here, so that statements of every lane find who they are about
    const pairs: Pair[] = []
    for (let lane = 0; lane < laneCount; lane += 1) pairs.push(await signInPair(connection, lane))
    const pair = pairs[0]
    if (pair === undefined) throw new Error('the company of the bench is empty')
    await askApproveMint(pair)
    statements.length = 0
    const at = new Date()
    await askApproveMint(pair)
    return { statements: [...statements], at }
  } finally {
    connection.close()
    await broker.stop()
    restore()
  }
}

/** Only what calls over HTTP ask of the database: the broker's own loops have the services as they were. */
function recorded(services: Services, into: RecordedStatement[]): Services {
  const { database } = services
  const seen: Database = {
    ...database,
    read: (work) => recording.run(into, () => database.read(work)),
    transaction: (work) => recording.run(into, () => database.transaction(work)),
  }
  return { ...services, database: seen }
}

/** Hooks `pg` itself, below drizzle and the pool. Returns what takes the hook off again. */
function recordStatements(): () => void {
  const original = pg.Client.prototype.query
  const hooked = function (this: pg.Client, ...given: unknown[]): unknown {
    const statements = recording.getStore()
    if (statements === undefined) return Reflect.apply(original, this, given)
    const statement = statementOf(given)
    statements.push(statement)
    const note = (result: unknown) => {
      if (result instanceof pg.Result) statement.rowCount = result.rowCount
      return result
    }
    const callback = given.at(-1)
    if (typeof callback !== 'function') {
      return (Reflect.apply(original, this, given) as Promise<unknown>).then(note)
    }
    const noting = (error: unknown, result: unknown) => callback(error, note(result))
    return Reflect.apply(original, this, [...given.slice(0, -1), noting])
  }
  pg.Client.prototype.query = hooked as typeof original
  return () => {
    pg.Client.prototype.query = original
  }
}

function statementOf([config, values]: readonly unknown[]): RecordedStatement {
  const given = Array.isArray(values) ? values : undefined
  const { text, ...rest }: pg.QueryConfig & { rowMode?: 'array' } =
    typeof config === 'string' ? { text: config } : (config as pg.QueryConfig)
  return {
    text,
    values: given ?? rest.values ?? [],
    name: rest.name,
    rowMode: rest.rowMode,
    rowCount: null,
  }
}
