import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/context.ts'
import { examine, type Finding } from '../../src/doctor.ts'
import { createLog } from '../../src/log.ts'
import { brokerEnvironment, useTestBroker } from '../support/broker.ts'
import { exampleCatalogText } from '../support/context.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { openOperatorTerminal, openTerminal, type Run } from './terminal.ts'

const broker = useTestBroker()
const folder = mkdtempSync(join(tmpdir(), 'hallpass-doctor-'))
const databases: TestDatabase[] = []
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  for (const database of databases) await database.drop()
})

async function newDatabase(options: { isEmpty?: boolean } = {}): Promise<TestDatabase> {
  const database = await createTestDatabase(options)
  databases.push(database)
  return database
}

const doctor = (database: TestDatabase, extra: Readonly<Record<string, string>> = {}) =>
  openOperatorTerminal(database, extra).run('--json', 'doctor')

function finding({ json }: Run, check: string): Finding {
  const found = json.findings.find((one: Finding) => one.check === check)
  if (found === undefined) throw new Error(`no finding about ${check}: ${JSON.stringify(json)}`)
  return found
}

async function asOwner(database: TestDatabase, statement: string): Promise<void> {
  const client = new pg.Client(database.ownerConnection)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

describe('doctor', () => {
  it('finds a running installation good but for what is known: development mode, perhaps an old Node', async () => {
    const ran = await doctor(broker.database)
    expect(ran.status).toBe(0)
    for (const check of ['database', 'clock', 'keys', 'catalog', 'audit', 'outbox']) {
      expect(finding(ran, check)).toMatchObject({ check, status: 'ok' })
    }
    expect(finding(ran, 'configuration')).toMatchObject({
      status: 'warning',
      code: 'development_mode',
    })
    expect(ran.err).toBe('')
  })

  it('calls it a fault when the database acknowledges what a crash can lose', async () => {
    const database = await newDatabase()
    await asOwner(database, `alter database ${database.name} set synchronous_commit = off`)
    expect(finding(await doctor(database), 'database')).toMatchObject({
      status: 'fault',
      code: 'commits_not_durable',
    })
  })

  it('prints one aligned line for each check', async () => {
    const { out } = await openOperatorTerminal(broker.database).done('doctor')
    const lines = out.split('\n')
    expect(lines).toHaveLength(8)
    for (const line of lines) expect(line).toMatch(/^(ok {5}|warning|FAULT {2}) {2}\w+ {2,}\S/)
    expect(new Set(lines.map((line) => /^\S+ +\S+ +/.exec(line)?.[0].length)).size).toBe(1)
  })

  it('tells every fault of the environment at once, each with its variable', async () => {
    const ran = await doctor(broker.database, {
      PORT: '99999',
      HALLPASS_MASTER_KEY: 'too-short',
      HALLPASS_TOKEN_ALG: 'HS256',
    })
    expect(ran.status).toBe(1)
    expect(ran.err).toBe('faults_found: 3 faults to mend.')
    expect(ran.json.findings.map(({ message }: Finding) => message.split(' ')[0]).sort()).toEqual([
      'HALLPASS_MASTER_KEY',
      'HALLPASS_TOKEN_ALG',
      'PORT',
    ])
    expect(JSON.stringify(ran.json)).not.toContain('too-short')
  })

  it.each([
    ['nothing listens', 'postgres://app:open-sesame@127.0.0.1:9/x', /nothing listens/],
    ['there is no such host', 'postgres://app:open-sesame@nowhere.invalid/x', /no address/],
  ])('says what to do when %s, without the password', async (_, url, message) => {
    const ran = await doctor(broker.database, {
      DATABASE_URL: url,
      HALLPASS_OWNER_DATABASE_URL: url,
    })
    expect(ran.status).toBe(1)
    expect(finding(ran, 'database')).toMatchObject({
      status: 'fault',
      code: 'database_unreachable',
      message: expect.stringMatching(message),
    })
    expect(ran.out + ran.err).not.toContain('open-sesame')
  })

  it('says what to do when the database does not exist', async () => {
    const other = new URL(broker.database.ownerUrl)
    other.pathname = '/hallpass_no_such_database'
    const ran = await doctor(broker.database, {
      DATABASE_URL: other.href,
      HALLPASS_OWNER_DATABASE_URL: other.href,
    })
    expect(finding(ran, 'database').message).toMatch(/does not exist/)
  })

  it('makes no database of its own where there is none', async () => {
    const empty = join(folder, 'empty')
    const ran = await openTerminal({ HALLPASS_DATA_DIR: empty }).run('--json', 'doctor')
    expect(ran.status).toBe(1)
    expect(finding(ran, 'database')).toMatchObject({ status: 'fault', code: 'no_database' })
    const keys = await openTerminal({ HALLPASS_DATA_DIR: empty }).run('keys', 'list')
    expect(keys.status).toBe(5)
    expect(keys.err).toMatch(/^no_database: There is no database in .*Start the broker first/)
    expect(() => rmSync(empty, { recursive: true })).toThrow(/ENOENT/)
  })

  it('finds the master key to be another one, and touches nothing', async () => {
    const ran = await doctor(broker.database, {
      HALLPASS_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
    })
    expect(ran.status).toBe(1)
    expect(finding(ran, 'keys')).toMatchObject({
      status: 'fault',
      code: 'cannot_decide',
      message: expect.stringMatching(/^HALLPASS_MASTER_KEY is not the key/),
    })
    expect(finding(await doctor(broker.database), 'keys').status).toBe('ok')
  })

  it('accepts the older key during a change of keys', async () => {
    const ran = await doctor(broker.database, {
      HALLPASS_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
      HALLPASS_MASTER_KEY_PREVIOUS: Buffer.alloc(32, 7).toString('base64'),
    })
    expect(finding(ran, 'keys').status).toBe('ok')
  })

  it('counts the migrations that are pending, and applies none', async () => {
    const database = await newDatabase({ isEmpty: true })
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const ran = await doctor(database)
      expect(ran.status).toBe(1)
      expect(finding(ran, 'database')).toMatchObject({
        status: 'fault',
        code: 'migrations_pending',
        message: expect.stringMatching(/^It lacks \d+ migration.*hallpass migrate$/),
      })
    }
  })

  it('says that there is no key and no catalog before the first start', async () => {
    const ran = await doctor(await newDatabase())
    expect(ran.status).toBe(0)
    expect(finding(ran, 'keys')).toMatchObject({ status: 'warning', code: 'no_signing_key' })
    expect(finding(ran, 'catalog')).toMatchObject({
      status: 'warning',
      code: 'catalog_not_applied',
    })
  })

  it('finds a database that is marked incompatible', async () => {
    const database = await newDatabase()
    await asOwner(database, 'update compatibility set minimum_generation = 99')
    const ran = await doctor(database)
    expect(finding(ran, 'database')).toMatchObject({
      status: 'fault',
      code: 'database_incompatible',
      message: expect.stringMatching(/Start a newer release/),
    })
  })

  it('finds faults of the catalog file, and the first one’s place', async () => {
    const path = join(folder, 'hallpass.yaml')
    writeFileSync(path, exampleCatalogText().replace('count: 1', 'count: 0'))
    const ran = await doctor(broker.database, { HALLPASS_CONFIG: path })
    expect(ran.status).toBe(1)
    expect(finding(ran, 'catalog')).toMatchObject({ status: 'fault', code: 'catalog_faults' })
    expect(finding(ran, 'catalog').message).toMatch(/hallpass\.yaml has 1 fault\(s\).* at line \d+/)
  })

  it('finds the audit log writable when one role does both', async () => {
    const { ownerUrl } = broker.database
    const ran = await doctor(broker.database, {
      DATABASE_URL: ownerUrl,
      HALLPASS_OWNER_DATABASE_URL: ownerUrl,
    })
    expect(ran.status).toBe(0)
    expect(finding(ran, 'audit')).toMatchObject({
      status: 'warning',
      code: 'audit_writable_by_application',
      message: expect.stringMatching(/HALLPASS_OWNER_DATABASE_URL/),
    })
  })

  it('finds a clock that is not the database’s', async () => {
    const findings = await examine({
      environment: brokerEnvironment(broker.database, 8080, folder),
      clock: { ...systemClock, now: () => new Date(Date.now() + 60_000) },
      log: createLog(() => {}),
      user: 'olivia',
    })
    const clock = findings.find(({ check }) => check === 'clock')
    expect(clock).toMatchObject({ status: 'fault', code: 'clock_skew' })
    expect(clock?.message).toMatch(/is (59\.\d|60\.\d) s from the database’s/)
  })
})
