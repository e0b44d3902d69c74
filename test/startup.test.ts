import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { brokerEnvironment, freePort } from './support/broker.ts'
import { exampleCatalogText } from './support/context.ts'
import { type MainProcess, startMain } from './support/main-process.ts'
import { createTestDatabase, type TestDatabase } from './support/postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-startup-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const running = new Set<MainProcess>()
afterEach(async () => {
  for (const started of running) {
    started.child.kill('SIGKILL')
    await started.ended
  }
  running.clear()
})

function start(environment: Readonly<Record<string, string>>): MainProcess {
  const started = startMain({ HOME: folder, ...environment })
  running.add(started)
  void started.ended.then(() => running.delete(started))
  return started
}

async function newDatabase(options: { isEmpty?: boolean } = {}): Promise<TestDatabase> {
  const database = await createTestDatabase(options)
  onTestFinished(() => database.drop())
  return database
}

async function ask(database: TestDatabase, statement: string) {
  const client = new pg.Client(database.ownerConnection)
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

const environmentOf = async (database: TestDatabase) =>
  brokerEnvironment(database, await freePort(), join(folder, database.name))

/** A start that must fail: the status, and a message for people that is no stack trace and tells no secret. */
async function failure(environment: Readonly<Record<string, string>>) {
  const started = start(environment)
  const { status } = await started.ended
  expect(started.out()).toBe('')
  const message = started
    .err()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
    .join('\n')
  expect(started.err()).not.toMatch(/^\s+at .*:\d+/m)
  expect(started.err()).not.toMatch(/open-sesame/)
  return { status, message, log: started.err() }
}

describe('a good start', () => {
  it('ends its output with where it is; logs are JSON on stderr alone', async () => {
    const database = await newDatabase({ isEmpty: true })
    const environment = await environmentOf(database)
    const started = start(environment)
    const url = await started.ready
    expect(url).toBe(`http://localhost:${environment.PORT}`)
    const lines = started.out().trimEnd().split('\n')
    expect(lines.at(-1)).toBe(`hallpass ready at ${url}`)
    expect(lines[0]).toMatch(/^Development sign-in is on/)
    expect(lines.filter((line) => /^ {2}np[mx] /.test(line))).toHaveLength(3)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    started.child.kill('SIGTERM')
    expect(await started.ended).toEqual({ status: 0, signal: null })
    for (const line of started.err().trimEnd().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({
        level: expect.any(String),
        time: expect.any(String),
      })
    }
  })

  it('needs no right to make roles', async () => {
    const database = await newDatabase({ isEmpty: true })
    const [owner] = await ask(
      database,
      'select rolcreaterole as creates, rolsuper as super from pg_roles where rolname = current_user',
    )
    expect(owner).toEqual({ creates: false, super: false })
    await start(await environmentOf(database)).ready
  })

  it('works with one role for everything, too', async () => {
    const database = await newDatabase({ isEmpty: true })
    const environment = await environmentOf(database)
    const { HALLPASS_OWNER_DATABASE_URL: ownerUrl = '', ...rest } = environment
    await start({ ...rest, DATABASE_URL: ownerUrl }).ready
  })

  it('takes a free port for PORT=0, and is called by it', async () => {
    const environment = await environmentOf(await newDatabase())
    const url = await start({ ...environment, PORT: '0' }).ready
    expect(url).toMatch(/^http:\/\/localhost:[1-9]\d+$/)
    const metadata = await fetch(`${url}/.well-known/oauth-authorization-server`)
    expect(((await metadata.json()) as { issuer: string }).issuer).toBe(url)
  })

  it('goes on under the catalog in force when its file has faults, and says so', async () => {
    const environment = await environmentOf(await newDatabase())
    const first = start(environment)
    await first.ready
    first.child.kill('SIGTERM')
    await first.ended
    const path = join(folder, 'slip.yaml')
    writeFileSync(path, exampleCatalogText().replace('version: 1', 'version: 1\nvresion: 2'))
    const second = start({ ...environment, HALLPASS_CONFIG: path })
    const url = await second.ready
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(second.err()).toContain('"code":"catalog_faults"')
  })
})

describe('a bad start ends with one message that says what to mend', () => {
  it('when the port is in use: before anything was touched', async () => {
    const database = await newDatabase({ isEmpty: true })
    const environment = await environmentOf(database)
    const other = await listenOn(Number(environment.PORT))
    const { status, message } = await failure(environment)
    other.close()
    expect(status).toBe(1)
    expect(message).toMatch(/^PORT: \d+ on 127\.0\.0\.1 is in use\. .*PORT=\d+\.$/)
    expect(await ask(database, `select 1 from pg_tables where schemaname = 'public'`)).toEqual([])
  })

  it('when the master key is another one: nothing is changed', async () => {
    const database = await newDatabase()
    const environment = await environmentOf(database)
    const first = start(environment)
    await first.ready
    first.child.kill('SIGTERM')
    await first.ended
    const counts = () =>
      ask(
        database,
        'select (select count(*)::int from signing_key) as keys, (select count(*)::int from catalog_version) as catalogs, (select count(*)::int from audit_entry) as entries',
      )
    const before = await counts()
    const { status, message } = await failure({
      ...environment,
      HALLPASS_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
    })
    expect(status).toBe(1)
    expect(message).toMatch(/^HALLPASS_MASTER_KEY is not the key .*HALLPASS_MASTER_KEY_PREVIOUS\.$/)
    expect(await counts()).toEqual(before)
  })

  it('when every setting is wrong: all of them at once, none with its value', async () => {
    const { status, message } = await failure({
      PORT: 'http',
      DATABASE_URL: 'mysql://app:open-sesame@db/x',
      HALLPASS_MASTER_KEY: 'open-sesame',
      HALLPASS_TOKEN_ALG: 'none',
      HALLPASS_TRUSTED_PROXIES: 'everybody',
    })
    expect(status).toBe(2)
    expect(message.split('\n')[0]).toBe('Hallpass cannot start with this configuration:')
    for (const variable of [
      'PORT',
      'DATABASE_URL',
      'HALLPASS_MASTER_KEY',
      'HALLPASS_TOKEN_ALG',
      'HALLPASS_TRUSTED_PROXIES',
    ]) {
      expect(message).toMatch(new RegExp(`^  ${variable}: `, 'm'))
    }
  })

  it('when it is no development and there is no identity provider', async () => {
    const environment = await environmentOf(await newDatabase({ isEmpty: true }))
    const { HALLPASS_DEVELOPMENT: _, ...production } = environment
    const { status, message } = await failure(production)
    expect(status).toBe(2)
    expect(message).toMatch(/^ {2}HALLPASS_OIDC_ISSUER: is missing/m)
    const beyond = await failure({ ...environment, HALLPASS_HOST: '0.0.0.0' })
    expect(beyond.message).toMatch(/^ {2}HALLPASS_OIDC_ISSUER: .*on loopback only/m)
  })

  it('when there is a database of one’s own and no master key', async () => {
    const environment = await environmentOf(await newDatabase({ isEmpty: true }))
    const { HALLPASS_MASTER_KEY: _, ...keyless } = environment
    const { status, message } = await failure(keyless)
    expect(status).toBe(2)
    expect(message).toMatch(/^ {2}HALLPASS_MASTER_KEY: is missing.*openssl rand -base64 32$/m)
  })

  it('when the first catalog has faults: every one with its place, and none is stored', async () => {
    const database = await newDatabase()
    const path = join(folder, 'bad.yaml')
    writeFileSync(
      path,
      exampleCatalogText()
        .replace('max_duration: 8h', 'max_duration: 8y')
        .replace('owner: payments-leads #', 'owner: nobody-knows #'),
    )
    const { status, message } = await failure({
      ...(await environmentOf(database)),
      HALLPASS_CONFIG: path,
    })
    expect(status).toBe(1)
    expect(message).toContain(path)
    expect(message.match(/^ {2}line \d+, column \d+: /gm)?.length).toBeGreaterThanOrEqual(2)
    expect(await ask(database, 'select 1 from catalog_version')).toEqual([])
  })

  it('when the database is marked incompatible', async () => {
    const database = await newDatabase()
    await ask(database, 'update compatibility set minimum_generation = 99')
    const { status, message } = await failure(await environmentOf(database))
    expect(status).toBe(1)
    expect(message).toMatch(/marked incompatible .*Start a newer release of Hallpass\.$/)
  })

  it('when the role may not make tables', async () => {
    const database = await newDatabase({ isEmpty: true })
    const { HALLPASS_OWNER_DATABASE_URL: _, ...environment } = await environmentOf(database)
    const { status, message } = await failure(environment)
    expect(status).toBe(1)
    expect(message).toMatch(/HALLPASS_OWNER_DATABASE_URL to a role that owns the database/)
    expect(await ask(database, `select 1 from pg_tables where schemaname = 'public'`)).toEqual([])
  })

  it('when the database does not exist', async () => {
    const environment = await environmentOf(await newDatabase())
    const other = new URL(environment.DATABASE_URL ?? '')
    other.pathname = '/hallpass_no_such_database'
    const { HALLPASS_OWNER_DATABASE_URL: _, ...rest } = environment
    const { status, message } = await failure({ ...rest, DATABASE_URL: other.href })
    expect(status).toBe(1)
    expect(message).toMatch(/database named in DATABASE_URL does not exist/)
  })

  it.each([
    ['nothing listens there', '127.0.0.1:9', /nothing listens at the address of DATABASE_URL/],
    ['the host has no address', 'nowhere.invalid', /the host of DATABASE_URL has no address/],
  ])('when %s', async (_, host, expected) => {
    const { status, message } = await failure(await awayFrom(host))
    expect(status).toBe(1)
    expect(message).toMatch(expected)
  })

  it.each([
    ['refuses the password', '28P01', /refuses the password. Correct it in DATABASE_URL/],
    ['lets this role not in from here', '28000', /pg_hba\.conf and the role in DATABASE_URL/],
    ['has no connection left', '53300', /Raise max_connections/],
    ['is starting up', '57P03', /starting up or shutting down/],
  ])('when Postgres %s', async (_, code, expected) => {
    const server = await refusingServer(code)
    const { status, message } = await failure(await awayFrom(`127.0.0.1:${server.port}`))
    server.close()
    expect(status).toBe(1)
    expect(message).toMatch(expected)
  })

  it('when what listens there is no Postgres', async () => {
    const port = await freePort()
    const server = await listenOn(port, (socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    const { status, message } = await failure(await awayFrom(`127.0.0.1:${port}`))
    server.close()
    expect(status).toBe(1)
    expect(message).toMatch(/the server of DATABASE_URL hung up/)
  })

  it('when the data folder cannot be used', async () => {
    const file = join(folder, 'a-file')
    writeFileSync(file, '')
    const { status, message } = await failure({
      PORT: String(await freePort()),
      HALLPASS_DATA_DIR: join(file, 'data'),
    })
    expect(status).toBe(1)
    expect(message).toMatch(/data folder .* cannot be used/)
  })
})

const awayFrom = async (host: string) => ({
  PORT: String(await freePort()),
  DATABASE_URL: `postgres://app:open-sesame@${host}/hallpass`,
  HALLPASS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  HALLPASS_DEVELOPMENT: 'true',
})

function listenOn(port: number, onConnection: Parameters<typeof createServer>[1] = () => {}) {
  return new Promise<Server>((resolve, reject) => {
    const server = createServer(onConnection)
    server.on('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

/** Speaks just enough of Postgres' protocol to refuse everybody with this SQLSTATE. */
async function refusingServer(code: string) {
  const port = await freePort()
  const server = await listenOn(port, (socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      const body = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mno entry for open-sesame\0\0`)
      const head = Buffer.alloc(5)
      head.write('E')
      head.writeInt32BE(body.length + 4, 1)
      socket.end(Buffer.concat([head, body]))
    })
  })
  return { port, close: () => server.close() }
}

describe('stopping', () => {
  it('lets the call under way finish, takes no new one, and ends with 0', async () => {
    const environment = await environmentOf(await newDatabase())
    const started = start(environment)
    const url = await started.ready
    const body = JSON.stringify({ subject: 'alice@example.com' })
    const call = request(`${url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': body.length },
    })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      call.on('response', (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      call.on('error', reject)
    })
    call.write(body.slice(0, 5))
    await new Promise((resolve) => setTimeout(resolve, 200))
    started.child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 700))
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
    call.end(body.slice(5))
    expect(await answered).toBe(200)
    expect(await started.ended).toEqual({ status: 0, signal: null })
  })

  it('ends at once at a second signal, but not at one wish that arrives twice', async () => {
    const environment = await environmentOf(await newDatabase())
    const started = start(environment)
    const url = await started.ready
    const call = request(`${url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': 100 },
    })
    call.on('error', () => {})
    call.write('{')
    await new Promise((resolve) => setTimeout(resolve, 200))
    started.child.kill('SIGINT')
    started.child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(started.child.exitCode).toBeNull()
    const before = performance.now()
    started.child.kill('SIGTERM')
    expect(await started.ended).toEqual({ status: 1, signal: null })
    expect(performance.now() - before).toBeLessThan(3_000)
  })
})
