import { MigrationFault } from './migrations.ts'

const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED:
    'nothing listens at the address of DATABASE_URL. Start Postgres, or correct the address.',
  ENOTFOUND: 'the host of DATABASE_URL has no address. Correct its name.',
  EAI_AGAIN:
    'the host of DATABASE_URL has no address right now. Check its name and the name server.',
  ENOENT:
    'the socket folder of DATABASE_URL does not exist. Start Postgres, or correct the folder.',
  ETIMEDOUT: 'the host of DATABASE_URL does not answer. Check the address and the network.',
  ECONNRESET:
    'the server of DATABASE_URL hung up. Check that Postgres listens there, and whether it wants TLS.',
  '28P01':
    'Postgres refuses the password. Correct it in DATABASE_URL or HALLPASS_OWNER_DATABASE_URL.',
  '28000': 'Postgres refuses this role from here. Check pg_hba.conf and the role in DATABASE_URL.',
  '3D000': 'the database named in DATABASE_URL does not exist. Create it, or correct the name.',
  '42501':
    'the role may not do what a migration needs. Set HALLPASS_OWNER_DATABASE_URL to a role that owns the database (it need not create roles), or let DATABASE_URL’s role create in schema public.',
  '53300': 'Postgres has no connection left. Raise max_connections, or stop what holds them.',
  '55P03': 'another replica has been migrating for two minutes. Wait for it, or end it.',
  '57P03': 'Postgres is starting up or shutting down. Try again in a moment.',
}

/** What the driver says without a code. */
const speechless: readonly (readonly [RegExp, string])[] = [
  [/timeout/i, 'ETIMEDOUT'],
  [/terminated|does not support SSL/i, 'ECONNRESET'],
]

/** Why the database could not be had, for the person who starts the broker. Never a password. */
class ConnectionFailure extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'ConnectionFailure'
    this.code = code
  }
}

/** Turns what the driver threw at start into what to do; anything that explains itself passes through. */
export function explainFailure(error: unknown): unknown {
  if (error instanceof MigrationFault) return error
  for (let current = error; current instanceof Error; current = current.cause) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : undefined
    const explanation = code === undefined ? undefined : explanations[code]
    if (code !== undefined && explanation !== undefined) {
      return new ConnectionFailure(code, `Hallpass cannot use its database: ${explanation}`)
    }
    const said = speechless.find(([pattern]) => pattern.test(current.message))?.[1]
    if (said !== undefined) {
      return new ConnectionFailure(said, `Hallpass cannot use its database: ${explanations[said]}`)
    }
    if (current instanceof AggregateError && current.errors[0] instanceof Error) {
      return explainFailure(current.errors[0])
    }
  }
  return error
}
