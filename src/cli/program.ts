import { Command, CommanderError } from 'commander'
import { addCatalogCommands } from './commands/catalog.ts'
import { addGrantCommands } from './commands/grants.ts'
import { addOperatorCommands } from './commands/operator.ts'
import { addReportCommands } from './commands/reports.ts'
import { addRequestCommands } from './commands/requests.ts'
import { addSessionCommands } from './commands/session.ts'
import { CommandEnd, type CommandIo, type ExitStatus, exitStatus } from './io.ts'
import { createRestClient, type JsonObject, type RestClient } from './rest-client.ts'

/** What every command is given. */
export interface Session {
  readonly io: CommandIo
  readonly rest: () => RestClient
  /** Prints the answer: as JSON with --json, else as text for people. */
  show(answer: JsonObject, text: () => string): void
}

const defaultUrl = 'http://localhost:8080'

/** Runs one command line; never throws, never exits by itself. */
export async function runCommandLine(argv: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const program = new Command('hallpass')
    .description('Just-in-time access to APIs: ask, approve, hold a token that ends by itself')
    .option('--url <url>', 'the broker (default: HALLPASS_URL, else http://localhost:8080)')
    .option('--json', 'print answers as JSON')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.print(text.trimEnd()),
      writeErr: (text) => io.complain(text.trimEnd()),
    })
    .showHelpAfterError('(see hallpass --help)')
  const session: Session = {
    io,
    rest: () => createRestClient(io, brokerUrl(program, io)),
    show: (answer, text) => {
      io.print(
        program.opts<{ json?: boolean }>().json === true ? JSON.stringify(answer, null, 2) : text(),
      )
    },
  }
  addSessionCommands(program, session)
  addCatalogCommands(program, session)
  addRequestCommands(program, session)
  addGrantCommands(program, session)
  addReportCommands(program, session)
  addOperatorCommands(program, session)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitStatus.done
  } catch (error) {
    return statusOf(error, io)
  }
}

function brokerUrl(program: Command, io: CommandIo): string {
  const given = program.opts<{ url?: string }>().url ?? io.environment.HALLPASS_URL ?? defaultUrl
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
    throw new CommandEnd(exitStatus.usage, `"${given}" is no URL; write for instance ${defaultUrl}`)
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
