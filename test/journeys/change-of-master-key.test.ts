import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../src/broker.ts'
import { readConfig } from '../../src/config.ts'
import { systemClock } from '../../src/context.ts'
import { examine } from '../../src/doctor.ts'
import { createLog } from '../../src/log.ts'
import { brokerEnvironment, freePort } from '../support/broker.ts'
import { signIn } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'

// docs/operating.md tells operators to do exactly this
const oldKey = Buffer.alloc(32, 1).toString('base64')
const newKey = Buffer.alloc(32, 2).toString('base64')
const folder = mkdtempSync(join(tmpdir(), 'hallpass-master-key-'))
const log = createLog(() => {})
const running: Broker[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(async () => {
  await Promise.all(running.map((broker) => broker.stop()))
  await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

const environmentWith = (key: string, previous?: string) => ({
  ...brokerEnvironment(database, 8080, folder),
  HALLPASS_TOKEN_ALG: 'ES256',
  HALLPASS_MASTER_KEY: key,
  ...(previous === undefined ? {} : { HALLPASS_MASTER_KEY_PREVIOUS: previous }),
})

async function start(key: string, previous?: string): Promise<Broker> {
  const environment = { ...environmentWith(key, previous), PORT: String(await freePort()) }
  const broker = await startBroker(
    readConfig(environment, () => false),
    { clock: systemClock, log },
  )
  running.push(broker)
  return broker
}

/** The first signature of a replica opens the key, later ones need not. */
async function mintAt(broker: Broker): Promise<number> {
  const alice = await signIn(broker.url, 'alice@example.com')
  const asked = await alice.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: 600,
    justification: 'look at an invoice',
  })
  return (await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)).status
}

const keyFinding = async (key: string) => {
  const findings = await examine({
    environment: environmentWith(key),
    clock: systemClock,
    log,
    user: 'olivia',
  })
  return findings.find(({ check }) => check === 'keys')?.status
}

describe('a change of the master key', () => {
  it('stops no replica, in the steps that the manual gives', async () => {
    await (await start(oldKey)).stop()
    // 1: everybody can open both
    const one = await start(oldKey, newKey)
    const two = await start(oldKey, newKey)
    // 2: swapped on the first, which seals everything with the new key
    await one.stop()
    const swapped = await start(newKey, oldKey)
    expect(await mintAt(swapped)).toBe(201)
    expect(await mintAt(two)).toBe(201)
    // 3: the old key opens nothing any more
    expect(await keyFinding(newKey)).toBe('ok')
    expect(await keyFinding(oldKey)).toBe('fault')
    expect(await mintAt(await start(newKey))).toBe(201)
    await expect(start(oldKey)).rejects.toThrow(/HALLPASS_MASTER_KEY is not the key/)
  })
})
