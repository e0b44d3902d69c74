import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'
import type { CommandIo } from '../../src/cli/io.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import { brokerEnvironment } from '../support/broker.ts'
import type { TestDatabase } from '../support/postgres.ts'

/** What a command did. */
export interface Run {
  readonly status: number
  readonly out: string
  readonly err: string
  /** stdout as JSON; throws when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not typed
  readonly json: any
}

/** Somebody at a terminal of their own: the folder for state is theirs, and so is the environment. */
export interface Terminal {
  readonly stateFolder: string
  readonly environment: Record<string, string>
  /** Runs one command in this process, as bin/hallpass.js would in its own. */
  run(...argv: string[]): Promise<Run>
  /** The same, which must succeed. */
  done(...argv: string[]): Promise<Run>
}

export function openTerminal(
  environment: Readonly<Record<string, string>>,
  io: Partial<CommandIo> = {},
): Terminal {
  const stateFolder = mkdtempSync(join(tmpdir(), 'hallpass-state-'))
  afterAll(() => rmSync(stateFolder, { recursive: true, force: true }))
  const own = { XDG_STATE_HOME: stateFolder, ...environment }
  const run = async (...argv: string[]): Promise<Run> => {
    const out: string[] = []
    const err: string[] = []
    const status = await runCommandLine(argv, {
      environment: own,
      print: (line) => out.push(line),
      complain: (line) => err.push(line),
      isTerminal: false,
      now: () => new Date(),
      sleep: (milliseconds) => sleep(Math.min(milliseconds, 50)),
      openBrowser: () => false,
      operatingSystemUser: 'olivia',
      ...io,
    })
    const text = out.join('\n')
    return {
      status,
      out: text,
      err: err.join('\n'),
      get json() {
        return JSON.parse(text)
      },
    }
  }
  return {
    stateFolder,
    environment: own,
    run,
    done: async (...argv) => {
      const ran = await run(...argv)
      if (ran.status === 0) return ran
      throw new Error(`hallpass ${argv.join(' ')} ended with ${ran.status}:\n${ran.err}`)
    },
  }
}

/** A terminal on the broker's own machine, with the environment the broker has. */
export function openOperatorTerminal(
  database: TestDatabase,
  extra: Readonly<Record<string, string>> = {},
): Terminal {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-operator-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return openTerminal({ ...brokerEnvironment(database, 8080, folder), ...extra })
}
