import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { call, clientWith, signIn } from '../support/client.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

const installation = await useInstallation({ isEmpty: true })
let replicas: readonly BrokerProcess[]

beforeAll(async () => {
  replicas = await Promise.all(Array.from({ length: 4 }, () => installation.start()))
}, 60_000)

afterAll(async () => {
  await Promise.all((replicas ?? []).map((replica) => replica.stop()))
})

describe('four replicas that boot at once on an empty database', () => {
  it('apply every migration once', async () => {
    const files = readdirSync(join(installationRoot, 'migrations')).filter((n) =>
      n.endsWith('.sql'),
    )
    const applied = await installation.query('select hash from drizzle.__drizzle_migrations')
    expect(applied).toHaveLength(files.length)
    expect(new Set(applied.map(({ hash }) => hash)).size).toBe(files.length)
  })

  it('agree on one catalog version, one set of signing keys and one key of the log', async () => {
    const [made] = await installation.query(
      `select (select count(*)::int from catalog_version) as catalogs,
         (select count(*)::int from signing_key where state = 'active') as active,
         (select count(*)::int from signing_key) as keys,
         (select count(*)::int from audit_key) as logs`,
    )
    expect(made).toEqual({ catalogs: 1, active: 1, keys: 2, logs: 1 })
    const sets = await Promise.all(
      replicas.map(async ({ url }) => (await call(`${url}/oauth/jwks`)).body),
    )
    expect(sets[0].keys).toHaveLength(2)
    for (const set of sets) expect(set).toEqual(sets[0])
  })

  it('are all ready, and any of them finishes what another began', async () => {
    for (const { url } of replicas) {
      const { status, body } = await call(`${url}/readyz`)
      expect([status, body.status]).toEqual([200, 'ready'])
    }
    const [first, second, third, fourth] = replicas.map(({ url }) => url) as [
      string,
      string,
      string,
      string,
    ]
    const alice = await signIn(first, 'alice@example.com')
    const bob = await signIn(second, 'bob@example.com')
    const asked = await alice.post('/v1/requests', {
      role: 'billing-operator',
      duration_seconds: 600,
      justification: 'void a duplicate invoice',
    })
    const reviewed = await clientWith(third, bob.token).post(
      `/v1/requests/${asked.body.id}/reviews`,
      { verdict: 'approve' },
    )
    expect(reviewed.body.state).toBe('approved')
    const minted = await clientWith(fourth, alice.token).post(
      `/v1/grants/${reviewed.body.grant_id}/tokens`,
    )
    expect(minted.status).toBe(201)
  })

  it('leave the audit log to its functions: the application may not write the table', async () => {
    const [rights] = await installation.query(
      `select has_table_privilege($1, 'audit_entry', 'insert, update, delete, truncate') as may,
         has_table_privilege($1, 'audit_entry', 'select') as reads`,
      [new URL(installation.database.applicationUrl).username],
    )
    expect(rights).toEqual({ may: false, reads: true })
  })
})
