import { existsSync } from 'node:fs'
import { type Config, ConfigurationError, readConfig } from '../config.ts'
import type { OperationContext } from '../context.ts'
import { systemClock } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { createLog } from '../log.ts'
import { openAsOperator } from '../operator.ts'
import { CommandEnd, type CommandIo, exitStatus } from './io.ts'

/** The environment of the broker, read by a command; faults end the command. */
export function configFor(io: CommandIo): Config {
  try {
    return readConfig(io.environment, existsSync)
  } catch (error) {
    if (error instanceof ConfigurationError) throw new CommandEnd(exitStatus.usage, error.message)
    throw error
  }
}

/** Runs one operation on the database, as the person who is logged in on this machine. */
export async function asOperator<T>(
  io: CommandIo,
  run: (ctx: OperationContext, config: Config) => Promise<T>,
): Promise<T> {
  const config = configFor(io)
  const log = createLog((line) => io.complain(line.trimEnd()), 'warn')
  const access = await openAsOperator(config, {
    clock: systemClock,
    log,
    user: io.operatingSystemUser,
  }).catch((error: unknown) => {
    throw new CommandEnd(
      exitStatus.unreachable,
      error instanceof Error ? error.message : 'The database cannot be opened.',
    )
  })
  try {
    return await run(access.ctx, config)
  } catch (error) {
    throw explained(error)
  } finally {
    await access.close()
  }
}

function explained(error: unknown): unknown {
  if (!(error instanceof HallpassError)) return error
  const details = [...(error.options.errors ?? []), ...(error.options.reasons ?? [])]
  const lines = [error.message, ...details.map(({ message }) => `  - ${message}`)]
  const status = error.code === 'cannot_decide' ? exitStatus.unreachable : exitStatus.refused
  return new CommandEnd(status, lines.join('\n'), error.code)
}
