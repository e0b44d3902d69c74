import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { installationRoot } from '../installation.ts'
import { addCatalogCommands } from './commands/catalog.ts'
import { addGrantCommands } from './commands/grants.ts'
import { addOperatorCommands } from './commands/operator.ts'
import { addReportCommands } from './commands/reports.ts'
import { addRequestCommands } from './commands/requests.ts'
import { addSessionCommands } from './commands/session.ts'
import { CommandEnd, type CommandIo, type ExitStatus, exitStatus } from './io.ts'
import { jsonText } from './json.ts'
import { createRestClient, type RestClient } from './rest-client.ts'
import { withoutControls } from './terminal-text.ts'

/** What every command is given. */
export interface Session {
  readonly io: CommandIo
  readonly rest: () => RestClient
  /** Prints the answer: as JSON with --json, else as text for people (empty: nothing). */
  show(answer: object, text: () => string): void
  /** A remark for people beside the answer, on stderr; with --json there is none. */
  remark(text: string): void
}

const defaultUrl = 'http://localhost:8080'

const exitStatusHelp = `
Exit status:
  0 done               3 still waiting
  1 refused            4 not signed in
  2 wrong usage        5 the broker or its database is away, or cannot decide`

/** Runs one command line; never throws, never exits by itself. */
export async function runCommandLine(
  argv: readonly string[],
  outerIo: CommandIo,
): Promise<ExitStatus> {
  const io: CommandIo = {
    ...outerIo,
    print: (text) => outerIo.print(withoutControls(text)),
    complain: (text) => outerIo.complain(withoutControls(text)),
  }
  const program = createProgram(io)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitStatus.done
  } catch (error) {
    return statusOf(error, io)
  }
}

function createProgram(io: CommandIo): Command {
  const program = new Command('hallpass')
    .description('Just-in-time access to APIs: ask, approve, hold a token that ends by itself')
    .option('--url <url>', `the broker (default: HALLPASS_URL, else ${defaultUrl})`)
    .option('--json', 'print answers as JSON')
    .version(versionOf(), '--version', 'print the version')
    .addHelpText('after', exitStatusHelp)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd()),
      writeErr: (text) => io.complain(text.trimEnd()),
    })
    .showHelpAfterError('(see hallpass --help)')
  const isJson = () => program.opts<{ json?: boolean }>().json === true
  const session: Session = {
    io,
    rest: () => createRestClient(io, brokerUrl(program, io)),
    show: (answer, text) => {
      const shown = isJson() ? jsonText(answer) : text()
      if (shown !== '') io.print(shown)
    },
    remark: (text) => {
      if (!isJson()) io.complain(text)
    },
  }
  addSessionCommands(program, session)
  addCatalogCommands(program, session)
  addRequestCommands(program, session)
  addGrantCommands(program, session)
  addReportCommands(program, session)
  addOperatorCommands(program, session)
  return program
}

function versionOf(): string {
  const text = readFileSync(join(installationRoot, 'package.json'), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}

function brokerUrl(program: Command, io: CommandIo): string {
  const given =
    program.opts<{ url?: string }>().url?.trim() ||
    io.environment.HALLPASS_URL?.trim() ||
    defaultUrl
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    throw new CommandEnd(
      exitStatus.usage,
      `"${given}" is no address of a broker; write for instance ${defaultUrl}`,
    )
  }
  return given.replace(/\/+$/, '')
}

function statusOf(error: unknown, io: CommandIo): ExitStatus {
  if (error instanceof CommandEnd) {
    io.complain(error.code === undefined ? error.message : `${error.code}: ${error.message}`)
    return error.status
  }
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitStatus.done : exitStatus.usage
  }
  io.complain(error instanceof Error ? error.message : 'something unexpected went wrong')
  return exitStatus.refused
}
