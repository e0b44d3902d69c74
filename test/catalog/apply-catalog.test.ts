import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import {
  applyCatalog,
  catalogFileStatus,
  catalogInForce,
  storeCatalogFile,
} from '../../src/catalog/index.ts'
import type { OperationContext } from '../../src/context.ts'
import type { HallpassError } from '../../src/errors.ts'
import { createTestServices, useTestServices } from '../support/context.ts'
import { smallCatalog, withPart } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-catalog-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const test = await useTestServices()

const first = smallCatalog
const second = withPart('max_duration: 8h', 'max_duration: 4h')
const third = withPart('max_duration: 8h', 'max_duration: 2h')

function fileWith(content: string, name = 'hallpass.yaml'): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function rowsOf(table: 'catalog_version' | 'audit_entry') {
  const order = table === 'catalog_version' ? sql`version` : sql`at, id`
  const { rows } = await test.services.database.read((db) =>
    db.execute(sql`select * from ${sql.identifier(table)} order by ${order}`),
  )
  return rows
}

async function maxDuration(): Promise<number | undefined> {
  const catalog = await test.services.database.read((db) => catalogInForce(db))
  return catalog.policies[0]?.maxDurationSeconds
}

async function refusalOf(call: Promise<unknown>): Promise<HallpassError> {
  return call.then(
    () => expect.unreachable('it was not refused'),
    (error: HallpassError) => error,
  )
}

beforeEach(async () => {
  test.clock.advance(1)
  await test.services.database.read((db) => db.execute(sql`delete from catalog_version`))
})

describe('applying a catalog', () => {
  it('puts it in force as the next version', async () => {
    expect(await applyCatalog(test.asOperator(), { content: first })).toMatchObject({
      version: 1,
      outcome: 'applied',
    })
    expect(await maxDuration()).toBe(28_800)
    expect(await applyCatalog(test.asOperator(), { content: second })).toMatchObject({
      version: 2,
      outcome: 'applied',
    })
    expect(await maxDuration()).toBe(14_400)
    const catalog = await test.services.database.read((db) => catalogInForce(db))
    expect(catalog.version).toBe(2)
  })

  it('is audited with who did it, the version and the hash', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    const [stored] = await rowsOf('catalog_version')
    expect(stored).toMatchObject({
      version: 1,
      content: first,
      applied_by: { kind: 'operator', id: 'tester', via: 'operator' },
      is_forced: false,
    })
    expect((await rowsOf('audit_entry')).at(-1)).toMatchObject({
      action: 'apply-catalog',
      actor_kind: 'operator',
      actor_id: 'tester',
      outcome: 'ok',
      details: { version: 1, content_hash: stored?.content_hash, is_forced: false },
    })
  })

  it('makes no version of what is in force already', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    expect(await applyCatalog(test.asOperator(), { content: first })).toMatchObject({
      version: 1,
      outcome: 'unchanged',
    })
    expect(await rowsOf('catalog_version')).toHaveLength(1)
  })

  it('refuses to go back to an older version, audits that, and goes back when forced', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    await applyCatalog(test.asOperator(), { content: second })
    test.clock.advance(1)
    const refusal = await refusalOf(applyCatalog(test.asOperator(), { content: first }))
    expect(refusal).toMatchObject({ code: 'stale_version' })
    expect(refusal.message).toMatch(/version 1.*version 2.*--force/)
    expect(await maxDuration()).toBe(14_400)
    expect((await rowsOf('audit_entry')).at(-1)).toMatchObject({
      action: 'apply-catalog',
      outcome: 'refused',
      code: 'stale_version',
    })
    const forced = await applyCatalog(test.asOperator(), { content: first, isForced: true })
    expect(forced).toMatchObject({ version: 3, outcome: 'applied' })
    expect(await maxDuration()).toBe(28_800)
    await applyCatalog(test.asOperator(), { content: third })
    const again = await refusalOf(applyCatalog(test.asOperator(), { content: first }))
    expect(again.message).toMatch(/version 3.*version 4/)
  })

  it('changes nothing when the catalog has faults, and names them all', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    const content = withPart('count: 1', 'count: 0').replace('admins: [leads]', 'admins: [ghosts]')
    const refusal = await refusalOf(applyCatalog(test.asOperator(), { content, isForced: true }))
    expect(refusal).toMatchObject({
      code: 'invalid_input',
      options: {
        errors: [
          {
            pointer: '/admins/0',
            message: expect.stringMatching(/^line 5, column 10: .*"ghosts"/),
          },
          {
            pointer: '/policies/0/approval/0/count',
            message: expect.stringMatching(/^line 20, column 40: /),
          },
        ],
      },
    })
    expect(await rowsOf('catalog_version')).toHaveLength(1)
    expect(await maxDuration()).toBe(28_800)
  })

  it('refuses a resource with the issuer as its audience', async () => {
    const content = withPart('https://api.example.com', 'http://localhost:8080')
    const refusal = await refusalOf(applyCatalog(test.asOperator(), { content }))
    expect(refusal.options.errors?.[0]?.message).toMatch(/Hallpass itself/)
  })

  it.each<[string, () => OperationContext]>([
    ['an admin', () => test.asPerson('bob@example.com')],
    ['a workload', () => test.asWorkload('bot')],
    ['a job', () => test.asJob('expire')],
  ])('is refused to %s, and audited', async (_, actor) => {
    await applyCatalog(test.asOperator(), { content: first })
    test.clock.advance(1)
    const refusal = await refusalOf(applyCatalog(actor(), { content: second }))
    expect(refusal).toMatchObject({ code: 'not_permitted' })
    expect(await rowsOf('catalog_version')).toHaveLength(1)
    expect((await rowsOf('audit_entry')).at(-1)).toMatchObject({
      action: 'apply-catalog',
      outcome: 'refused',
      code: 'not_permitted',
    })
  })

  it('by twenty callers at once makes one version of each content', async () => {
    const applied = await Promise.all(
      Array.from({ length: 20 }, () => applyCatalog(test.asOperator(), { content: first })),
    )
    expect(applied.filter(({ outcome }) => outcome === 'applied')).toHaveLength(1)
    expect(new Set(applied.map(({ version }) => version))).toEqual(new Set([1]))
    expect(await rowsOf('catalog_version')).toHaveLength(1)
  })
})

describe('the file of a booting replica', () => {
  it('is stored once by four replicas that boot together', async () => {
    const path = fileWith(first)
    const applied = await Promise.all(
      Array.from({ length: 4 }, () => storeCatalogFile(test.asJob('start'), path)),
    )
    expect(applied.map(({ outcome }) => outcome).sort()).toEqual([
      'applied',
      'unchanged',
      'unchanged',
      'unchanged',
    ])
    expect(await rowsOf('catalog_version')).toMatchObject([
      { version: 1, applied_by: { kind: 'job', id: 'start' } },
    ])
  })

  it('starts under the one in force when it equals an older version, and says catalog_reverted', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    await applyCatalog(test.asOperator(), { content: second })
    const path = fileWith(first)
    const stored = await storeCatalogFile(test.asJob('start'), path)
    expect(stored).toMatchObject({ version: 2, outcome: 'reverted' })
    expect(await maxDuration()).toBe(14_400)
    expect(test.logLines.at(-1)).toMatch(/catalog_reverted/)
    expect(await catalogFileStatus(test.services, path)).toMatchObject({
      version: 2,
      status: 'catalog_reverted',
    })
  })

  it('never undoes a catalog that another replica brought, however often the old one restarts', async () => {
    const [old, recent] = [fileWith(first, 'old.yaml'), fileWith(second, 'new.yaml')]
    for (const path of [old, recent, old, old, recent, old]) {
      await storeCatalogFile(test.asJob('start'), path)
    }
    expect(await rowsOf('catalog_version')).toHaveLength(2)
    expect(await maxDuration()).toBe(14_400)
  })

  it('is stored when its content is new, whatever was before', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    await applyCatalog(test.asOperator(), { content: second })
    const path = fileWith(third)
    expect(await catalogFileStatus(test.services, path)).toMatchObject({ status: 'not_stored' })
    expect(await storeCatalogFile(test.asJob('start'), path)).toMatchObject({
      version: 3,
      outcome: 'applied',
    })
    expect(await catalogFileStatus(test.services, path)).toMatchObject({
      version: 3,
      status: 'in_force',
    })
  })

  it('changes nothing when it has faults, and is told loudly by a replica that starts all the same', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    const path = fileWith('version: 1\nteams: {}\n')
    expect(await storeCatalogFile(test.asJob('start'), path)).toMatchObject({
      version: 1,
      outcome: 'faulty',
    })
    expect(await maxDuration()).toBe(28_800)
    expect(await rowsOf('catalog_version')).toHaveLength(1)
    expect((await catalogFileStatus(test.services, path)).faults).toMatchObject([
      { code: 'unknown_key', line: 2, column: 1 },
    ])
    const told = test.logLines.map((line) => JSON.parse(line)).at(-1)
    expect(told).toMatchObject({ level: 'error', code: 'catalog_faults', version: 1, path })
    expect(told.faults).toMatchObject([expect.stringMatching(/^line 2, column 1: .*teams/)])
    expect(told.message).toContain('hallpass catalog check')
  })

  it('does not start the first replica when it has faults, and names each of them', async () => {
    const path = fileWith('version: 1\nteams: {}\nrules: {}\n')
    const refusal = await refusalOf(storeCatalogFile(test.asJob('start'), path))
    expect(refusal).toMatchObject({ code: 'invalid_input' })
    expect(refusal.message).toContain(path)
    expect(refusal.options.errors).toMatchObject([
      { message: expect.stringMatching(/^line 2, column 1: /) },
      { message: expect.stringMatching(/^line 3, column 1: /) },
    ])
    expect(await rowsOf('catalog_version')).toHaveLength(0)
  })

  it('does not hinder a restart when what is in force no longer suits a stricter check', async () => {
    const content = withPart('https://api.example.com', 'http://localhost:8080')
    await test.services.database.read((db) =>
      db.execute(sql`insert into catalog_version
        (version, content, files, content_hash, applied_at, applied_by)
        values (1, ${content}, '{}', 'x', now(), '{}')`),
    )
    expect(await storeCatalogFile(test.asJob('start'), fileWith(content))).toMatchObject({
      version: 1,
      outcome: 'faulty',
    })
  })

  it('is asked for by name when it is not there', async () => {
    const path = join(folder, 'nowhere.yaml')
    const refusal = await refusalOf(storeCatalogFile(test.asJob('start'), path))
    expect(refusal).toMatchObject({ code: 'not_found' })
    expect(refusal.message).toContain('nowhere.yaml cannot be read')
  })

  it('may not be stored by a person', async () => {
    const refusal = await refusalOf(
      storeCatalogFile(test.asPerson('bob@example.com'), fileWith(first)),
    )
    expect(refusal).toMatchObject({ code: 'not_permitted' })
  })
})

describe('the files that a catalog names', () => {
  const content = withPart('owner: engineering', 'owner: engineering, jwks_file: bot.json')
  const keys = (kid: string) =>
    JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', kid, x: 'x' }] })

  it('are stored with it, so that a replica without them compiles the same', async () => {
    const path = fileWith(content)
    writeFileSync(join(folder, 'bot.json'), keys('one'))
    await storeCatalogFile(test.asJob('start'), path)
    rmSync(join(folder, 'bot.json'))
    const catalog = await test.services.database.read((db) => catalogInForce(db))
    expect(catalog.workloads.get('bot')?.proof).toMatchObject({ keys: [{ kid: 'one' }] })
  })

  it('make another version when they change', async () => {
    const path = fileWith(content)
    writeFileSync(join(folder, 'bot.json'), keys('one'))
    await storeCatalogFile(test.asJob('start'), path)
    writeFileSync(join(folder, 'bot.json'), keys('two'))
    expect(await storeCatalogFile(test.asJob('start'), path)).toMatchObject({
      version: 2,
      outcome: 'applied',
    })
    const catalog = await test.services.database.read((db) => catalogInForce(db))
    expect(catalog.workloads.get('bot')?.proof).toMatchObject({ keys: [{ kid: 'two' }] })
  })
})

describe('the catalog in force', () => {
  it('cannot be had before the first is stored', async () => {
    const refusal = await refusalOf(test.services.database.read((db) => catalogInForce(db)))
    expect(refusal).toMatchObject({ code: 'cannot_decide' })
    expect(refusal.message).toMatch(/catalog apply/)
  })

  it('is compiled once for a version', async () => {
    await applyCatalog(test.asOperator(), { content: first })
    const [one, two] = await Promise.all([
      test.services.database.read((db) => catalogInForce(db)),
      test.services.database.read((db) => catalogInForce(db)),
    ])
    const later = await test.services.database.read((db) => catalogInForce(db))
    expect([one, two]).toContain(later)
  })

  it('is not another database’s, though both have the same version', async () => {
    const other = await createTestServices()
    try {
      await applyCatalog(test.asOperator(), { content: first })
      await applyCatalog(other.asOperator(), { content: second })
      const theirs = await other.services.database.read((db) => catalogInForce(db))
      expect(theirs.policies[0]?.maxDurationSeconds).toBe(14_400)
      expect(await maxDuration()).toBe(28_800)
    } finally {
      await other.close()
    }
  })

  it('says what is wrong when stored content no longer checks', async () => {
    await test.services.database.read((db) =>
      db.execute(sql`insert into catalog_version
        (version, content, files, content_hash, applied_at, applied_by)
        values (1, 'version: 2', '{}', 'x', now(), '{}')`),
    )
    const refusal = await refusalOf(test.services.database.read((db) => catalogInForce(db)))
    expect(refusal).toMatchObject({ code: 'cannot_decide' })
    expect(refusal.message).toMatch(/version 1.*line 1/)
  })
})
