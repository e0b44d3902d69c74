import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { openTerminal } from './terminal.ts'

const terminal = openTerminal({ HALLPASS_URL: 'http://127.0.0.1:9' })

/** Every command of the contract that this release has. */
const commands = [
  'login',
  'logout',
  'whoami',
  'catalog show',
  'catalog check',
  'catalog apply',
  'catalog explain',
  'preview',
  'request',
  'requests',
  'approve',
  'deny',
  'cancel',
  'grants',
  'token',
  'extend',
  'release',
  'revoke',
  'suspend',
  'resume',
  'report unused',
  'audit verify',
  'keys list',
  'keys rotate',
  'keys revoke',
  'doctor',
  'migrate',
]

describe('help', () => {
  it('names every command, and the exit statuses', async () => {
    const { out } = await terminal.done('--help')
    const names = new Set(commands.map((command) => command.split(' ')[0]))
    for (const name of names) expect(out).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
    for (const status of [
      '0 done',
      '1 refused',
      '2 wrong usage',
      '3 still waiting',
      '4 not signed in',
      '5 ',
    ]) {
      expect(out).toContain(status)
    }
  })

  it.each(commands)('of %s says what it does, with every option explained', async (command) => {
    const { out } = await terminal.done(...command.split(' '), '--help')
    const [usage, , description] = out.split('\n')
    expect(usage).toContain(`Usage: hallpass ${command}`)
    expect(description).toMatch(/\w{3}/)
    for (const line of out.split('\n').filter((text) => /^ {2}--/.test(text))) {
      expect(line).toMatch(/^ {2}--[\w-]+( <[\w-]+>)? {2,}\S/)
    }
  })

  it('fits a terminal of 80 columns', async () => {
    for (const command of ['', ...commands]) {
      const { out } = await terminal.done(...command.split(' ').filter(Boolean), '--help')
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    }
  })

  it('tells the version', async () => {
    const { version } = JSON.parse(readFileSync(join(installationRoot, 'package.json'), 'utf8'))
    expect((await terminal.done('--version')).out).toBe(version)
  })
})

describe('wrong usage ends with 2, explains itself on stderr and prints nothing', () => {
  it.each([
    ['nothing at all', []],
    ['half a command', ['catalog']],
    ['an unknown command', ['frobnicate']],
    ['an unknown option', ['whoami', '--loud']],
    ['an unknown option of hallpass', ['--loud', 'whoami']],
    ['too many arguments', ['token', 'grt_1', 'grt_2']],
    ['too few', ['token']],
    ['an option without its value', ['request', 'r', '--for']],
  ])('%s', async (_, argv) => {
    const ran = await terminal.run(...argv)
    expect([ran.status, ran.out]).toEqual([2, ''])
    expect(ran.err).toMatch(/Usage: hallpass|error: /)
  })

  it('suggests what was meant', async () => {
    expect((await terminal.run('reqest')).err).toMatch(/Did you mean request/)
  })
})

describe('--json', () => {
  it('may stand before or after the command', async () => {
    expect((await terminal.done('--json', 'logout')).json).toEqual({ signed_out: true })
    expect((await terminal.done('logout', '--json')).json).toEqual({ signed_out: true })
  })
})
