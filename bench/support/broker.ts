import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { installationRoot } from '../../src/installation.ts'
import { type ChildServer, startChild } from './child-process.ts'
import type { BenchDatabase, BenchServer } from './postgres.ts'

/** How many pairs of a requester and a reviewer the bench's company has. */
export const laneCount = 8

export function requesterOf(lane: number): string {
  return `alice-${lane}@example.com`
}

export function reviewerOf(lane: number): string {
  return `bob-${lane}@example.com`
}

/** Writes come after one approval, as in the example company; a requester and a reviewer for every lane. */
function companyCatalog(): string {
  const lanes = Array.from({ length: laneCount }, (_, lane) => lane)
  return `version: 1
groups:
  engineering: [${lanes.map(requesterOf).join(', ')}]
  payments-leads: [${lanes.map(reviewerOf).join(', ')}]
  security: [sam@example.com]
admins: [security]
resources:
  billing-api:
    title: Billing API
    audience: https://billing.example.com
    owner: payments-leads
    sensitivity: high
    scopes:
      invoices:read: Read invoices
      invoices:write: Create and void invoices
roles:
  billing-operator: { resource: billing-api, scopes: [invoices:read, invoices:write] }
policies:
  - name: billing-operate
    roles: [billing-operator]
    requesters: [engineering]
    max_duration: 4h
    answer_within: 2h
    justification: { min_length: 10 }
    approval:
      - { from: [payments-leads], count: 1 }
`
}

/** The environment of a broker in development mode, without rate limits, over this database. */
export async function brokerEnvironment(
  server: BenchServer,
  database: BenchDatabase,
): Promise<Record<string, string>> {
  const catalog = join(server.folder, 'company.yaml')
  writeFileSync(catalog, companyCatalog())
  return {
    PORT: String(await freePort()),
    DATABASE_URL: database.applicationUrl,
    HALLPASS_OWNER_DATABASE_URL: database.ownerUrl,
    HALLPASS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    HALLPASS_DATA_DIR: join(server.folder, 'broker'),
    HALLPASS_CONFIG: catalog,
    HALLPASS_DEVELOPMENT: 'true',
    HALLPASS_RATE_LIMITS: 'off',
  }
}

/** The broker as it is shipped, jobs and all, in a process of its own. */
export async function startBrokerProcess(
  server: BenchServer,
  database: BenchDatabase,
): Promise<ChildServer> {
  return startChild(join(installationRoot, 'dist', 'src', 'main.js'), {
    environment: await brokerEnvironment(server, database),
    profileInto: process.env.BENCH_PROFILE_INTO,
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
