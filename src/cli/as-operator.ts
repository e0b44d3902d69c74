import { existsSync } from 'node:fs'
import { type Config, ConfigurationError, readConfig } from '../config.ts'
import { systemClock } from '../context.ts'
import { MigrationFault } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { createLog } from '../log.ts'
import { NoDatabase, type OperatorAccess, openAsOperator } from '../operator.ts'
import { CommandEnd, type CommandIo, exitStatus } from './io.ts'

type OperatorContext = OperatorAccess['ctx']

/**
 * Runs one operation on the database that the environment names, as the person who is logged in on this machine.
 * With `migrate` the schema is brought to this release first, else a schema that lacks something is refused.
 */
export async function asOperator<T>(
  io: CommandIo,
  run: (ctx: OperatorContext, access: OperatorAccess) => Promise<T>,
  options: { readonly migrate?: boolean } = {},
): Promise<T> {
  const migrate = options.migrate ?? false
  const access = await openAsOperator(configOf(io), {
    clock: systemClock,
    log: createLog((line) => io.complain(line.trimEnd()), 'error'),
    user: io.operatingSystemUser,
    migrate,
    mayCreate: migrate,
  }).catch((error: unknown) => {
    throw notOpened(error)
  })
  try {
    const { pendingMigrationCount: pending } = access.connected
    if (pending > 0) throw migrationsPending(pending)
    return await run(access.ctx, access)
  } catch (error) {
    throw explained(error)
  } finally {
    await access.close()
  }
}

function configOf(io: CommandIo): Config {
  try {
    return readConfig(io.environment, existsSync)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    const lines = error.faults.map(({ variable, message }) => `  ${variable}: ${message}`)
    throw new CommandEnd(
      exitStatus.usage,
      ['This command reads the same environment as the broker, which has faults:', ...lines].join(
        '\n',
      ),
    )
  }
}

function notOpened(error: unknown): CommandEnd {
  const message = error instanceof Error ? error.message : 'The database cannot be opened.'
  if (error instanceof MigrationFault) {
    return new CommandEnd(exitStatus.refused, message, 'database_incompatible')
  }
  const code = error instanceof NoDatabase ? 'no_database' : 'database_unreachable'
  return new CommandEnd(exitStatus.unreachable, message, code)
}

function migrationsPending(count: number): CommandEnd {
  return new CommandEnd(
    exitStatus.refused,
    `The database lacks ${count} migration(s) of this release. Start the broker, or run: hallpass migrate`,
    'migrations_pending',
  )
}

function explained(error: unknown): unknown {
  if (!(error instanceof HallpassError)) return error
  const details = [...(error.options.errors ?? []), ...(error.options.reasons ?? [])]
  const lines = [error.message, ...details.map(({ message }) => `  - ${message}`)]
  const status = error.code === 'cannot_decide' ? exitStatus.unreachable : exitStatus.refused
  return new CommandEnd(status, lines.join('\n'), error.code)
}
