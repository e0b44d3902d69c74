import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type BrokerProcess,
  eventually,
  makeInstallation,
  removeFolder,
  startBroker,
  temporaryFolder,
} from './broker-process.ts'
import { ask, lives, serverProcess, supervisorsOf } from './server-under-test.ts'

let installation: string
let dataDirectory: string
let brokers: BrokerProcess[]

function start(): BrokerProcess {
  const broker = startBroker(installation, dataDirectory)
  brokers.push(broker)
  return broker
}

function runningServer(): number {
  const processId = serverProcess(dataDirectory)
  if (processId === undefined) throw new Error('no server runs')
  return processId
}

const hasStopped = () => serverProcess(dataDirectory) === undefined

beforeAll(() => {
  installation = makeInstallation({ postgres: 'linked' })
})
afterAll(() => removeFolder(installation))
beforeEach(() => {
  dataDirectory = join(temporaryFolder(), 'data')
  brokers = []
})
afterEach(async () => {
  await Promise.all(brokers.map((broker) => broker.kill()))
  expect(await eventually(hasStopped, 20), 'no server is left behind').toBe(true)
  removeFolder(join(dataDirectory, '..'))
})

describe('a broker that ends', () => {
  it('stops the server before stop() returns', async () => {
    const broker = start()
    await broker.ready
    const server = runningServer()
    await broker.stop()
    expect(lives(server)).toBe(false)
    expect(existsSync(join(dataDirectory, 'postgres/data/postmaster.pid'))).toBe(false)
  })

  it('ends the server within seconds when it is killed, and no acknowledged row is lost', async () => {
    const first = start()
    await ask(await first.ready, 'create table kept as select generate_series(1, 1000) as n')
    await first.kill()
    expect(await eventually(hasStopped)).toBe(true)
    const second = start()
    expect(await ask(await second.ready, 'select count(*)::int as n from kept')).toEqual([
      { n: 1000 },
    ])
  })

  it('ends the server also when its whole process group is killed', async () => {
    const broker = start()
    await broker.ready
    const server = runningServer()
    process.kill(-(broker.child.pid ?? Number.NaN), 'SIGKILL')
    expect(await eventually(() => !lives(server))).toBe(true)
  })

  it('leaves a shut down server behind when killed while clients are connected', async () => {
    const broker = start()
    const facts = await broker.ready
    const sleeping = ask(facts, 'select pg_sleep(60)').catch((error: Error) => error.message)
    await sleep(100)
    await broker.kill()
    expect(await eventually(hasStopped)).toBe(true)
    expect(await sleeping).toMatch(/terminat/)
  })

  it('may be killed at any moment of the first start', async () => {
    for (const milliseconds of [100, 250, 400, 550, 700]) {
      const broker = start()
      await sleep(milliseconds)
      await broker.kill()
    }
    const last = start()
    expect(await ask(await last.ready, 'select 1 as one')).toEqual([{ one: 1 }])
  })
})

// finding the supervisors needs Linux's /proc
describe.runIf(process.platform === 'linux')('a supervisor that is killed', () => {
  it('does not keep the server from ending with its broker', async () => {
    const broker = start()
    await broker.ready
    const server = runningServer()
    process.kill(supervisorsOf(server)[0] ?? Number.NaN, 'SIGKILL')
    await broker.kill()
    expect(await eventually(() => !lives(server))).toBe(true)
  })
})

describe.runIf(process.platform === 'linux')(
  'an orphan, whose broker and supervisor were killed',
  () => {
    async function makeOrphan(): Promise<number> {
      const broker = start()
      await ask(await broker.ready, 'create table if not exists kept ()')
      const server = runningServer()
      for (const supervisor of supervisorsOf(server)) process.kill(supervisor, 'SIGKILL')
      await broker.kill()
      await sleep(300)
      expect(lives(server)).toBe(true)
      return server
    }

    it('is picked up by the next start and ends with it', async () => {
      const orphan = await makeOrphan()
      const broker = start()
      expect(await ask(await broker.ready, 'table kept')).toEqual([])
      expect(runningServer()).toBe(orphan)
      await broker.stop()
      expect(lives(orphan)).toBe(false)
    })

    it('is picked up, and ends when the one that picked it up is killed', async () => {
      const orphan = await makeOrphan()
      const broker = start()
      await broker.ready
      await broker.kill()
      expect(await eventually(() => !lives(orphan))).toBe(true)
    })

    it('leaves nothing that a start stumbles over when it is killed too', async () => {
      process.kill(await makeOrphan(), 'SIGKILL')
      const broker = start()
      expect(await ask(await broker.ready, 'table kept')).toEqual([])
    })

    it('is ended and replaced when it cannot be reached', async () => {
      const orphan = await makeOrphan()
      rmSync(join(dataDirectory, 'postgres/run'), { recursive: true })
      const broker = start()
      expect(await ask(await broker.ready, 'table kept')).toEqual([])
      expect(lives(orphan)).toBe(false)
    })
  },
)

describe('several brokers on one folder', () => {
  it('share one server when they make it at the same moment, and the last one out stops it', async () => {
    const four = [start(), start(), start(), start()]
    const facts = await Promise.all(four.map((broker) => broker.ready))
    const server = runningServer()
    for (const one of facts) expect(await ask(one, 'select 1 as one')).toEqual([{ one: 1 }])
    for (const [index, broker] of four.entries()) {
      expect(lives(server)).toBe(true)
      if (index % 2 === 0) await broker.stop()
      else await broker.kill()
    }
    expect(await eventually(() => !lives(server))).toBe(true)
    expect(readdirSync(join(dataDirectory, 'postgres')).sort()).toEqual([
      'data',
      'holders',
      'pg_hba.conf',
      'pg_ident.conf',
      'postgresql.conf',
      'run',
      'server.log',
    ])
  })

  it('keep the server when the one that started it is killed', async () => {
    const first = start()
    await first.ready
    const second = start()
    const facts = await second.ready
    const server = runningServer()
    await first.kill()
    await sleep(500)
    expect(await ask(facts, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(runningServer()).toBe(server)
  })

  it('get a working server when one stops while the next starts', async () => {
    let before = start()
    await before.ready
    for (let round = 0; round < 12; round++) {
      const after = start()
      await sleep(40 + 10 * round)
      const [facts] = await Promise.all([after.ready, before.stop()])
      // it may have joined the server in its last moment: then it is started again
      const answer = await ask(facts, 'select 1 as one').catch(async () => {
        await sleep(1_000)
        return await ask(facts, 'select 1 as one')
      })
      expect(answer).toEqual([{ one: 1 }])
      before = after
    }
  })
})

describe('a server that dies', () => {
  it('is started again, with every acknowledged row', async () => {
    const broker = start()
    const facts = await broker.ready
    await ask(facts, 'create table kept (n int)')
    for (let round = 1; round <= 3; round++) {
      await ask(facts, `insert into kept values (${round})`)
      const server = runningServer()
      process.kill(server, 'SIGKILL')
      expect(await eventually(() => !lives(server))).toBe(true)
      expect(
        await eventually(
          () => broker.logs.filter((line) => /runs again/.test(line)).length === round,
          15,
        ),
      ).toBe(true)
      expect(await ask(facts, 'select count(*)::int as n from kept')).toEqual([{ n: round }])
    }
  })

  it('is started again by one of two brokers, and both reach it', async () => {
    const two = [start(), start()]
    const facts = await Promise.all(two.map((broker) => broker.ready))
    process.kill(runningServer(), 'SIGKILL')
    expect(
      await eventually(
        () => two.some((broker) => broker.logs.some((line) => /runs again/.test(line))),
        15,
      ),
    ).toBe(true)
    for (const one of facts) expect(await ask(one, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('is not replaced by an empty one when its files were deleted', async () => {
    const broker = start()
    await broker.ready
    const server = runningServer()
    rmSync(join(dataDirectory, 'postgres/data'), { recursive: true })
    process.kill(server, 'SIGKILL')
    expect(await eventually(() => broker.logs.some((line) => /are gone.*restore/.test(line)))).toBe(
      true,
    )
    expect(existsSync(join(dataDirectory, 'postgres/data'))).toBe(false)
  })
})
