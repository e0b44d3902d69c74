import type { Command } from 'commander'
import type { Finding } from '../../doctor.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import { collect } from '../options.ts'
import type { Session } from '../program.ts'
import { aligned } from '../table.ts'
import { addKeyCommands } from './keys.ts'

// the rooms are loaded by the command that needs them, so that the others start at once
const operator = () => import('../as-operator.ts')

/** `keys`, `audit verify`, `doctor`, `migrate`: they act on the database itself, as actor `operator`. */
export function addOperatorCommands(program: Command, session: Session): void {
  addKeyCommands(program, session)
  addAudit(program, session)
  program
    .command('doctor')
    .description('check the installation, and say how to mend what is wrong')
    .action(() => doctor(session))
  program
    .command('migrate')
    .description('bring the database to this release’s schema')
    .action(() => migrate(session))
}

async function migrate(session: Session): Promise<void> {
  const [{ asOperator }, { appendEntry }] = await Promise.all([
    operator(),
    import('../../audit/index.ts'),
  ])
  const count = await asOperator(
    session.io,
    async (ctx, { connected }) => {
      await ctx.database.transaction((tx) =>
        appendEntry(tx, ctx, {
          action: 'run-migrations',
          outcome: 'ok',
          details: { applied_count: connected.appliedMigrationCount },
        }),
      )
      return connected.appliedMigrationCount
    },
    { migrate: true },
  )
  session.show({ applied_count: count }, () =>
    count === 0
      ? 'Nothing to do: the database has this release’s schema.'
      : `Applied ${count === 1 ? '1 migration' : `${count} migrations`}: the database has this release’s schema.`,
  )
}

function addAudit(program: Command, session: Session): void {
  program
    .command('audit')
    .description('the audit log')
    .command('verify')
    .description('recompute the whole log and compare it with its checkpoints')
    .option('--checkpoint <file>', 'checkpoints kept outside the database (repeatable)', collect)
    .option('--key <key>', 'the verifier key to trust, instead of the database’s own')
    .action((options: { checkpoint?: string[]; key?: string }) => verify(session, options))
}

async function verify(
  session: Session,
  options: { checkpoint?: string[]; key?: string },
): Promise<void> {
  const [{ asOperator }, { verifyLog }] = await Promise.all([
    operator(),
    import('../../audit/reading/index.ts'),
  ])
  const report = await asOperator(session.io, (ctx) =>
    verifyLog(ctx, { checkpointFiles: options.checkpoint, verifierKey: options.key }),
  )
  const { finding, size, checkpointCount, outsideCheckpointCount, unsealedCount } = report
  const held = `${size} entries and ${checkpointCount} checkpoints of the database`
  const outside =
    options.checkpoint === undefined ? '' : `, and ${outsideCheckpointCount} from outside,`
  session.show(report, () =>
    [
      finding === null ? `The log holds: ${held}${outside} agree.` : `${held} agree, then not.`,
      ...(unsealedCount === 0 ? [] : [`${unsealedCount} newer entries wait to be sealed.`]),
      ...(report.verifierKey === null ? [] : [`verifier key: ${report.verifierKey}`]),
    ].join('\n'),
  )
  if (finding === null) return
  const { kind, position, upTo, message } = finding
  const where =
    position === upTo ? `position ${position}` : `a position from ${position} to ${upTo}`
  throw new CommandEnd(exitStatus.refused, `The log does not hold, at ${where}: ${message}`, kind)
}

const marks = { ok: 'ok', warning: 'warning', fault: 'FAULT' } as const

async function doctor(session: Session): Promise<void> {
  const { io } = session
  const [{ examine }, { systemClock }, { createLog }] = await Promise.all([
    import('../../doctor.ts'),
    import('../../context.ts'),
    import('../../log.ts'),
  ])
  const findings = await examine({
    environment: io.environment,
    clock: systemClock,
    log: createLog((line) => io.complain(line.trimEnd()), 'error'),
    user: io.operatingSystemUser,
  })
  session.show({ findings }, () => aligned(findings.map(findingRow)))
  const count = findings.filter(({ status }) => status === 'fault').length
  if (count === 0) return
  const faults = count === 1 ? '1 fault' : `${count} faults`
  throw new CommandEnd(exitStatus.refused, `${faults} to mend.`, 'faults_found')
}

function findingRow({ check, status, code, message }: Finding): string[] {
  return [marks[status], check, code === undefined ? message : `${message} (${code})`]
}
