import { describe, expect, it } from 'vitest'
import { describeFailure } from '../../../src/database/embedded/failures.ts'
import { parsePostmasterFile } from '../../../src/database/embedded/postmaster-file.ts'
import {
  hbaRules,
  identMap,
  longestSocketPath,
  serverSettings,
  setupStatements,
} from '../../../src/database/embedded/settings.ts'

const facts = {
  socketDirectory: "/data/o'clock/run",
  hbaFile: '/data/pg_hba.conf',
  identFile: '/data/pg_ident.conf',
  customFile: '/data/custom.conf',
  hasCustomFile: true,
  major: 18,
}

describe('the settings', () => {
  it("put what Hallpass relies on behind the person's own file, so that it wins", () => {
    const text = serverSettings(facts)
    const own = text.indexOf("include = '/data/custom.conf'")
    expect(own).toBeGreaterThan(0)
    for (const line of [
      "listen_addresses = ''",
      'fsync = on',
      'full_page_writes = on',
      'hba_file = ',
    ]) {
      expect(text.indexOf(line), line).toBeGreaterThan(own)
    }
  })

  it('include no file that is not there, and quote paths', () => {
    const text = serverSettings({ ...facts, hasCustomFile: false })
    expect(text).not.toMatch(/^include/m)
    expect(text).toContain("unix_socket_directories = '/data/o''clock/run'")
  })

  it('name no setting that the version does not know', () => {
    expect(serverSettings({ ...facts, major: 17 })).not.toContain('io_method')
    expect(serverSettings(facts)).toContain('io_method')
  })

  it('let in the two roles over the socket and nothing else', () => {
    const rules = hbaRules()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(rules).toEqual(['local all hallpass_owner,hallpass_app peer map=hallpass'])
  })

  it('map each trusted user to both roles, whatever its name holds', () => {
    const lines = identMap(['alice', 'we"ird'])
      .split('\n')
      .filter((line) => line.startsWith('hallpass'))
    expect(lines).toEqual([
      'hallpass "alice" hallpass_owner',
      'hallpass "alice" hallpass_app',
      'hallpass "we""ird" hallpass_owner',
      'hallpass "we""ird" hallpass_app',
    ])
  })

  it('give the owner the right to make databases only when told', () => {
    expect(setupStatements({ ownerMayCreateDatabases: false })).not.toMatch(
      / createdb|pg_signal_backend/,
    )
    expect(setupStatements({ ownerMayCreateDatabases: true })).toMatch(
      /hallpass_owner .* createdb;/,
    )
    for (const ownerMayCreateDatabases of [true, false]) {
      expect(setupStatements({ ownerMayCreateDatabases })).toMatch(
        /hallpass_app login nosuperuser nocreaterole nocreatedb;/,
      )
    }
  })

  it('know how long a socket path may be', () => {
    expect([longestSocketPath('linux'), longestSocketPath('darwin')]).toEqual([107, 103])
  })
})

describe("the server's own lock file", () => {
  const text = [
    '4711',
    '/data',
    '1700000000',
    '5432',
    '/data/run',
    '',
    '  1 2',
    'ready   ',
    '',
  ].join('\n')

  it('tells process, socket folder and state', () => {
    expect(parsePostmasterFile(text)).toEqual({
      processId: 4711,
      socketDirectory: '/data/run',
      status: 'ready',
    })
  })

  it('that is not complete yet has an unknown state', () => {
    expect(parsePostmasterFile('4711\n/data\n')?.status).toBe('unknown')
    expect(parsePostmasterFile(text.replace('ready', 'dancing'))?.status).toBe('unknown')
  })

  it.each(['', '\n', 'x', '0', '-5', '1', '4.5'])('that holds %j is none', (broken) => {
    expect(parsePostmasterFile(broken)).toBeUndefined()
  })
})

describe('a failure', () => {
  const log = '2026-01-01 10:00:00.000 UTC [12] LOG:  starting\n2026-01-01 10:00:00.000 UTC [12] '

  it.each([
    ['FATAL:  could not write lock file "postmaster.pid": No space left on device', /disk is full/],
    ['FATAL:  could not create file: Read-only file system', /read-only.*HALLPASS_DATA_DIR/],
    ['FATAL:  data directory "/data" has wrong ownership', /mode 0700/],
    [
      'PANIC:  could not locate a valid checkpoint record at 0/1',
      /restore the folder from a backup/,
    ],
    [
      'FATAL:  could not map anonymous shared memory: Cannot allocate memory',
      /too little free memory/,
    ],
    ['FATAL:  could not create any Unix-domain sockets', /local file system/],
    ['initdb: error: could not look up effective user ID 9: user does not exist', /\/etc\/passwd/],
    ['FATAL:  configuration file "/data/custom.conf" contains errors', /mend custom\.conf/],
    ["EACCES: permission denied, mkdir '/data'", /HALLPASS_DATA_DIR/],
    ['FATAL:  something nobody has seen', /DATABASE_URL/],
  ])('%s comes with what to do', (said, remedy) => {
    expect(describeFailure('Postgres does not start', log + said)).toMatch(remedy)
  })

  it('names the fault without its time stamp, and the log', () => {
    expect(describeFailure('It fails', `${log}FATAL:  no luck.`, '/data/server.log')).toBe(
      "It fails: no luck. Mend that, or set DATABASE_URL to a Postgres of your own. The server's log is /data/server.log.",
    )
  })

  it('of a program that said nothing is still a sentence', () => {
    expect(describeFailure('It fails', '')).toMatch(/^It fails: it said nothing\. /)
  })
})
