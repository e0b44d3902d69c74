import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { systemClock } from '../../src/context.ts'
import { examine } from '../../src/doctor.ts'
import { brokerEnvironment, useTestBroker } from '../support/broker.ts'
import { call, signIn } from '../support/client.ts'
import { exampleCatalogText } from '../support/context.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-faulty-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'hallpass.yaml')
writeFileSync(file, exampleCatalogText())

const broker = useTestBroker({ HALLPASS_CONFIG: file })

async function gauge(name: string): Promise<string | undefined> {
  const { body } = await call(`${broker.url}/metrics`)
  return new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1]
}

async function diagnosis() {
  const port = Number(new URL(broker.url).port)
  const environment = brokerEnvironment(broker.database, port, folder)
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const findings = await examine({
    environment: { ...environment, HALLPASS_CONFIG: file },
    clock: systemClock,
    log: silent,
    user: 'tester',
  })
  return findings.find(({ check }) => check === 'catalog')
}

it('a slip in the catalog file does not keep a restarted broker down: log, metric and doctor tell of it', async () => {
  expect(await gauge('hallpass_catalog_faulty')).toBe('0')
  writeFileSync(file, exampleCatalogText().replace('max_duration: 8h', 'max_duration: 8w'))
  await broker.restart()

  const alice = await signIn(broker.url, 'alice@example.com')
  const asked = await alice.post('/v1/requests', {
    role: 'billing-reader',
    duration_seconds: 60,
    justification: 'the old rules still hold',
  })
  expect(asked).toMatchObject({ status: 201, body: { catalog_version: 1, state: 'approved' } })
  expect(await gauge('hallpass_catalog_faulty')).toBe('1')
  expect(await gauge('hallpass_catalog_reverted')).toBe('0')
  expect(broker.logLines.some((line) => line.includes('catalog_faults'))).toBe(true)
  const found = await diagnosis()
  expect(found).toMatchObject({ status: 'fault', code: 'catalog_faults' })
  expect(found?.message).toMatch(/version 1 stays in force.*8w/)

  writeFileSync(file, exampleCatalogText())
  await broker.restart()
  expect(await gauge('hallpass_catalog_faulty')).toBe('0')
  expect(await diagnosis()).toMatchObject({ status: 'ok' })
})
