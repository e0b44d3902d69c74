import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureAuditKey, sealEntries } from './audit/index.ts'
import { storeCatalogFile } from './catalog/index.ts'
import type { Config } from './config.ts'
import { type Clock, type Log, type OperationContext, type Services, systemIds } from './context.ts'
import {
  type ConnectedDatabase,
  type ConnectionSettings,
  connectDatabase,
  type RunningClockMonitor,
  startClockMonitor,
} from './database/index.ts'
import {
  clientAddressReader,
  createBrokerApp,
  type HttpServices,
  listen,
  memoryRateLimits,
  noRateLimits,
} from './http/index.ts'
import { createIdentityProvider, type IdentityProvider } from './identity/index.ts'
import { installationRoot } from './installation.ts'
import { createScheduler, jobTable } from './jobs/index.ts'
import { createMetrics } from './metrics.ts'
import {
  createConsoleNotifier,
  createOutbox,
  createWebhookNotifier,
  type Notifier,
  type Outbox,
} from './notify/index.ts'
import { readinessOf } from './readiness.ts'
import {
  createRevocationFeed,
  createSecretBox,
  ensureSigningKeys,
  isSealedWithOlderKey,
  masterKeyInFolder,
} from './tokens/index.ts'
import { createUseRecorder } from './usage/index.ts'

/** What the composition root is given beside configuration. */
export interface BrokerOptions {
  readonly clock: Clock
  readonly log: Log
  /** Stands between HTTP and the services, for tests that let them fail or the process die. */
  readonly decorate?: (services: Services) => Services
  /** False leaves every job to other replicas, or to nobody. */
  readonly runsJobs?: boolean
}

/** A running broker. */
export interface Broker {
  /** Where it listens. */
  readonly url: string
  readonly services: HttpServices
  /** Finishes what is under way, then lets everything go. Safe to call twice. */
  stop(): Promise<void>
}

const graceMilliseconds = 10_000

/** Undoes what was started, last first, once. */
class Undoing {
  readonly #steps: Array<() => Promise<void> | void> = []
  #done: Promise<void> | undefined

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  /** Tries every step, whatever the others do; rejects with the first failure. */
  run(): Promise<void> {
    this.#done ??= this.#undo()
    return this.#done
  }

  async #undo(): Promise<void> {
    const failures: unknown[] = []
    for (const step of this.#steps.reverse()) {
      try {
        await step()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/**
 * Starts everything over one database: migrations, keys, catalog, outbox, jobs, HTTP. When a part cannot
 * start, the parts before it are let go and the error says what to mend.
 */
export async function startBroker(config: Config, options: BrokerOptions): Promise<Broker> {
  const undoing = new Undoing()
  try {
    return await start(config, options, undoing)
  } catch (error) {
    await undoing.run()
    throw error
  }
}

async function start(config: Config, options: BrokerOptions, undoing: Undoing): Promise<Broker> {
  const { clock, log } = options
  const connected = await connectDatabase(config, log)
  undoing.add(() => connected.close())
  const clockMonitor = startClockMonitor(clock, connected.database, log)
  undoing.add(() => clockMonitor.stop())
  await clockMonitor.measure()

  const revocationFeed = createRevocationFeed(
    { clock, log, database: connected.database },
    directSettings(config, connected),
  )
  await revocationFeed.start()
  undoing.add(() => revocationFeed.stop())

  const metrics = createMetrics()
  const useRecorder = createUseRecorder({ database: connected.database, log })
  useRecorder.start()
  // let go after HTTP, whose calls are what is observed, and before the database
  undoing.add(() => useRecorder.stop())
  metrics.watchUses(useRecorder.status)
  const stopping = new AbortController()
  let outbox: Outbox | undefined
  const services = {
    ...servicesOf(config, options, connected, clockMonitor, () => outbox?.wake()),
    useObserver: metrics.observe(useRecorder.observer),
    revocationFeed,
    stopping: stopping.signal,
  }
  metrics.readFrom(services)
  const startContext: OperationContext = {
    ...services,
    actor: { kind: 'job', id: 'start', via: 'job' },
  }
  await ensureSigningKeys(startContext)
  await ensureAuditKey(services, (sealed) => isSealedWithOlderKey(services.secretBox, sealed))
  const stored = await storeCatalogFile(startContext, config.catalogFile ?? exampleCatalogFile)
  metrics.tellCatalogFile(stored.outcome)

  outbox = createOutbox({ services, notifiers: notifiersOf(config, options) })
  await outbox.start()
  undoing.add(() => outbox?.stop())

  const checkpointFile = join(config.dataDirectory, 'audit-checkpoints')
  const scheduler = createScheduler({ services, jobs: jobTable({ checkpointFile }) })
  metrics.watchJobs(scheduler.status)
  if (options.runsJobs ?? true) await scheduler.start()
  undoing.add(async () => {
    await scheduler.stop()
    await sealRest(services, checkpointFile)
  })

  const app = createBrokerApp({
    services: { ...services, ...options.decorate?.(services) },
    identityProvider: identityProviderOf(config),
    operations: {
      registry: metrics.registry,
      checkReadiness: () => readinessOf(services),
    },
    version: versionOf(),
  })
  const server = await listen(app, config.host, config.port)
  undoing.add(() => server.stop(graceMilliseconds))
  undoing.add(() => stopping.abort())
  return { url: urlOf(config.host, server.port), services, stop: () => undoing.run() }
}

/** LISTEN needs a session of its own, which a transaction pooler does not give. */
function directSettings(config: Config, { application }: ConnectedDatabase): ConnectionSettings {
  if (config.directDatabaseUrl === undefined) return application
  return { connectionString: config.directDatabaseUrl }
}

/** A stopped broker leaves no entry without its place; when the database is gone, the next one sees to it. */
async function sealRest(services: Services, checkpointFile: string): Promise<void> {
  await sealEntries(services, { checkpointFile }).catch(() => {
    services.log.warn({}, 'the last audit entries wait for the next start to be sealed')
  })
}

/** The example company, for development mode alone. */
const exampleCatalogFile = join(installationRoot, 'example', 'hallpass.yaml')

function servicesOf(
  config: Config,
  { clock, log }: BrokerOptions,
  connected: ConnectedDatabase,
  clockMonitor: RunningClockMonitor,
  wakeOutbox: () => void,
): Omit<HttpServices, 'revocationFeed' | 'stopping'> {
  const services: Services = {
    clock,
    clockMonitor,
    ids: systemIds(clock),
    log,
    database: connected.database,
    secretBox: createSecretBox({
      masterKey: config.masterKey ?? masterKeyInFolder(config.dataDirectory),
      previousMasterKey: config.previousMasterKey,
    }),
    issuer: config.issuer,
    tokenAlgorithm: config.tokenAlgorithm,
    wakeOutbox,
  }
  return {
    ...services,
    rateLimits: config.areRateLimitsOn ? memoryRateLimits() : noRateLimits,
    isDevelopment: config.isDevelopment,
    clientAddressOf: clientAddressReader(config.trustedProxies),
  }
}

function notifiersOf(config: Config, { clock, log }: BrokerOptions): readonly Notifier[] {
  const webhook =
    config.webhook === undefined ? [] : [createWebhookNotifier({ ...config.webhook, clock })]
  return config.isDevelopment ? [createConsoleNotifier(log), ...webhook] : webhook
}

function identityProviderOf(config: Config): IdentityProvider | undefined {
  if (config.identityProvider === undefined) return undefined
  return createIdentityProvider({
    ...config.identityProvider,
    redirectUri: `${config.issuer}/auth/callback`,
  })
}

function versionOf(): string {
  const text = readFileSync(join(installationRoot, 'package.json'), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}

function urlOf(host: string, port: number): string {
  const name = host === '127.0.0.1' || host === '::1' ? 'localhost' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
