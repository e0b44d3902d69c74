/** What the command line touches of the world; tests hand in their own. */
export interface CommandIo {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Writes a line to stdout. */
  print(line: string): void
  /** Writes a line to stderr. */
  complain(line: string): void
  readonly isTerminal: boolean
  now(): Date
  sleep(milliseconds: number): Promise<void>
  /** Opens a page in the person's browser; false when there is none to open. */
  openBrowser(url: string): boolean
  readonly operatingSystemUser: string
}

/** Exit statuses of CONTRACTS §7. */
export const exitStatus = {
  done: 0,
  refused: 1,
  usage: 2,
  waiting: 3,
  notSignedIn: 4,
  unreachable: 5,
} as const

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus]

/** Ends a command with a status and a line for people. */
export class CommandEnd extends Error {
  readonly status: ExitStatus
  readonly code: string | undefined

  constructor(status: ExitStatus, message: string, code?: string) {
    super(message)
    this.name = 'CommandEnd'
    this.status = status
    this.code = code
  }
}
