import { Counter, Gauge, Registry } from 'prom-client'
import { accessStatus } from './access/index.ts'
import { sealLagSeconds } from './audit/index.ts'
import type { Services, UseObserver } from './context.ts'
import type { JobStatus } from './jobs/index.ts'
import { outboxStatus } from './notify/index.ts'
import type { UseRecorderStatus } from './usage/index.ts'

/** What the broker counts, and the part of it that has to be told. */
export interface Metrics {
  readonly registry: Registry
  /** Counts minted tokens, then passes on. */
  observe(next: UseObserver | undefined): UseObserver
  /** How this replica's catalog file stood to the one in force when it started. */
  tellCatalogFile(outcome: 'applied' | 'unchanged' | 'reverted' | 'faulty'): void
  /** Tells how recording of use fares when scraped. Call once. */
  watchUses(status: () => UseRecorderStatus): void
  /** Tells how the jobs of this replica fare when scraped. Call once. */
  watchJobs(status: () => readonly JobStatus[]): void
  /** Gauges that read the database when scraped. Call once. */
  readFrom(services: Services): void
}

export function createMetrics(): Metrics {
  const registry = new Registry()
  const mints = new Counter({
    name: 'hallpass_token_mints_total',
    help: 'Tokens minted by this replica',
    registers: [registry],
  })
  const reverted = new Gauge({
    name: 'hallpass_catalog_reverted',
    help: '1 when this replica’s catalog file equals an older version than the one in force',
    registers: [registry],
  })
  const faulty = new Gauge({
    name: 'hallpass_catalog_faulty',
    help: '1 when this replica’s catalog file has faults, so that the version in force stayed',
    registers: [registry],
  })
  return {
    registry,
    tellCatalogFile: (outcome) => {
      reverted.set(outcome === 'reverted' ? 1 : 0)
      faulty.set(outcome === 'faulty' ? 1 : 0)
    },
    observe: (next) => ({
      observeMint: (use) => {
        mints.inc()
        next?.observeMint(use)
      },
      observeUse: (use) => next?.observeUse(use),
    }),
    watchUses: (status) => addUseMetrics(registry, status),
    watchJobs: (status) => addJobGauge(registry, status),
    readFrom: (services) => addGauges(registry, services),
  }
}

function addUseMetrics(registry: Registry, status: () => UseRecorderStatus): void {
  new Gauge({
    name: 'hallpass_uses_waiting',
    help: 'Observed uses that this replica has not written yet',
    registers: [registry],
    collect() {
      this.set(status().waitingCount)
    },
  })
  new Counter({
    name: 'hallpass_uses_lost_total',
    help: 'Observed uses that this replica could not write',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(status().lostCount)
    },
  })
}

function addJobGauge(registry: Registry, status: () => readonly JobStatus[]): void {
  new Gauge({
    name: 'hallpass_job_failures',
    help: 'Failures in a row of a job on this replica',
    labelNames: ['job'],
    registers: [registry],
    collect() {
      for (const { name, failureCount } of status()) this.set({ job: name }, failureCount)
    },
  })
}

// named here, so that a state which nothing is in reads 0 instead of being absent
const requestStates = ['pending', 'approved', 'denied', 'cancelled', 'expired']
const livingStates = ['scheduled', 'active', 'suspended']

function addGauges(registry: Registry, services: Services): void {
  let reading: Promise<boolean> | undefined
  // all gauges of one scrape wait for one reading, or each would show what the scrape before had read
  const readOnce = (): Promise<boolean> => {
    reading ??= read()
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        reading = undefined
      })
    return reading
  }
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({
      name: `hallpass_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        await readOnce()
      },
    })
  const requests = gauge('requests', 'Requests by state', ['state'])
  const grants = gauge('grants', 'Living grants by state', ['state'])
  const decision = gauge(
    'request_decision_seconds',
    'From ask to decision by people, last 24 hours',
    ['quantile'],
  )
  const expiryLag = gauge(
    'expiry_lag_seconds',
    'How long the oldest overdue grant waits for its job',
  )
  const outboxAge = gauge('outbox_age_seconds', 'Age of the oldest event that waits for delivery')
  const outboxWaiting = gauge('outbox_waiting', 'Deliveries that wait')
  const outboxFailing = gauge('outbox_failing', 'Of those waiting, tried in vain')
  const outboxUndeliverable = gauge(
    'outbox_undeliverable',
    'Deliveries that were given up and kept',
  )
  const sealLag = gauge(
    'audit_seal_lag_seconds',
    'Age of the oldest audit entry without a position',
  )
  const skew = gauge('clock_skew_seconds', 'This clock minus the database’s')
  const isUp = new Gauge({
    name: 'hallpass_database_up',
    help: '1 when the last scrape could read the database',
    registers: [registry],
    async collect() {
      isUp.set((await readOnce()) ? 1 : 0)
    },
  })

  async function read(): Promise<void> {
    const { database, clock, clockMonitor } = services
    const seconds = clockMonitor.skewSeconds()
    if (seconds !== null) skew.set(seconds)
    const access = await database.read((db) => accessStatus(db, clock.now()))
    const outbox = await database.read(outboxStatus)
    const lag = await sealLagSeconds(services)
    for (const state of requestStates) requests.set({ state }, access.requestCounts[state] ?? 0)
    for (const state of livingStates) grants.set({ state }, access.grantCounts[state] ?? 0)
    decision.reset()
    if (access.decisionSeconds !== null) {
      decision.set({ quantile: '0.5' }, access.decisionSeconds.p50)
      decision.set({ quantile: '0.9' }, access.decisionSeconds.p90)
    }
    expiryLag.set(access.expiryLagSeconds)
    outboxAge.set(outbox.oldestWaitingSeconds ?? 0)
    outboxWaiting.set(outbox.waitingCount)
    outboxFailing.set(outbox.failingCount)
    outboxUndeliverable.set(outbox.undeliverableCount)
    sealLag.set(lag)
  }
}
