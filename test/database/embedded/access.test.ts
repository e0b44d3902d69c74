import {
  chmodSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedServer, startEmbeddedServer } from '../../../src/database/embedded/index.ts'
import { eventually, isRoot, nobody, removeFolder, temporaryFolder } from './broker-process.ts'
import { ask, serverProcess } from './server-under-test.ts'

let folder: string
let data: string
let server: EmbeddedServer

beforeAll(async () => {
  folder = temporaryFolder()
  data = join(folder, 'data')
  server = await startEmbeddedServer({ dataDirectory: data, log: () => undefined })
})
afterAll(async () => {
  await server.stop()
  removeFolder(folder)
})

describe('the running server', () => {
  it('is durable, checks its pages, speaks UTF-8 and listens on no network', async () => {
    const names = [
      'fsync',
      'full_page_writes',
      'synchronous_commit',
      'data_checksums',
      'listen_addresses',
      'server_encoding',
    ]
    const settings: Record<string, unknown> = {}
    for (const name of names)
      Object.assign(settings, (await ask(server.connection('owner'), `show ${name}`))[0])
    expect(settings).toEqual({
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      data_checksums: 'on',
      listen_addresses: '',
      server_encoding: 'UTF8',
    })
    const [row] = await ask(
      server.connection('owner'),
      'select datcollate as collation, pg_get_userbyid(datdba) as owner from pg_database where datname = current_database()',
    )
    expect(row).toEqual({ collation: 'C', owner: 'hallpass_owner' })
  })

  it.runIf(process.platform === 'linux')('has no TCP socket', () => {
    const processId = serverProcess(data)
    const listening = ['tcp', 'tcp6']
      .flatMap((table) => readFileSync(`/proc/${processId}/net/${table}`, 'utf8').split('\n'))
      .filter(
        (line) => line.trim().split(/\s+/)[7] === String(isRoot ? nobody.uid : process.getuid?.()),
      )
      .filter((line) => line.trim().split(/\s+/)[3] === '0A')
    expect(listening).toEqual([])
  })

  it('gives neither role a right over roles or databases', async () => {
    for (const role of ['owner', 'application'] as const) {
      const facts = server.connection(role)
      const [row] = await ask(
        facts,
        'select rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles where rolname = current_user',
      )
      expect(row).toEqual({
        rolname: role === 'owner' ? 'hallpass_owner' : 'hallpass_app',
        rolsuper: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
        rolbypassrls: false,
      })
      await expect(ask(facts, 'create role mallory')).rejects.toThrow(/permission denied/)
      await expect(ask(facts, "copy (select 1) to program 'id'")).rejects.toThrow(
        /permission denied/,
      )
      await expect(ask(facts, "select pg_read_file('PG_VERSION')")).rejects.toThrow(
        /permission denied/,
      )
    }
    await expect(ask(server.connection('application'), 'create table mine ()')).rejects.toThrow(
      /permission denied/,
    )
  })

  it('lets no superuser in', async () => {
    await expect(
      ask({ ...server.connection('owner'), user: 'postgres' }, 'select 1'),
    ).rejects.toThrow(/no pg_hba\.conf entry/)
  })

  it.runIf(isRoot)(
    'lets no other user of the machine in, not even the one it runs as',
    async () => {
      const asUser = async (uid: number) => {
        process.seteuid?.(uid)
        try {
          return await ask(server.connection('application'), 'select 1')
        } finally {
          process.seteuid?.(0)
        }
      }
      await expect(asUser(1)).rejects.toThrow(/EACCES/)
      await expect(asUser(nobody.uid)).rejects.toThrow(/[Pp]eer authentication failed/)
    },
  )

  it('keeps statements and values of failing clients out of its log', async () => {
    const facts = server.connection('owner')
    await ask(facts, 'create table planted (secret text unique)')
    const statement = "insert into planted values ('hp-planted-secret')"
    await ask(facts, statement)
    await expect(ask(facts, statement)).rejects.toThrow(/duplicate key/)
    await expect(ask(facts, "select 'hp-planted-secret'::int")).rejects.toThrow(/invalid input/)
    expect(readFileSync(join(data, 'postgres/server.log'), 'utf8')).not.toContain(
      'hp-planted-secret',
    )
  })

  it('keeps its log short while it runs', async () => {
    const log = join(data, 'postgres/server.log')
    writeFileSync(log, 'x'.repeat(5_100_000), { flag: 'a' })
    expect(await eventually(() => statSync(log).size < 5_000_000)).toBe(true)
    expect(statSync(`${log}.1`).size).toBeGreaterThan(5_000_000)
    truncateSync(`${log}.1`)
    expect(await ask(server.connection('owner'), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('is shared by two starts in one process, and stays until both have stopped', async () => {
    const second = await startEmbeddedServer({ dataDirectory: data, log: () => undefined })
    const processId = serverProcess(data)
    await Promise.all([second.stop(), second.stop()])
    expect(serverProcess(data)).toBe(processId)
    expect(await ask(server.connection('owner'), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('leaves nothing in its folder that others can read', () => {
    chmodSync(data, 0o711)
    const home = join(data, 'postgres')
    const readable = readdirSync(home).filter(
      (name) => (statSync(join(home, name)).mode & 0o044) !== 0,
    )
    expect(readable.sort()).toEqual(['pg_hba.conf', 'pg_ident.conf', 'postgresql.conf'])
    expect(statSync(home).mode & 0o066).toBe(0)
  })
})
