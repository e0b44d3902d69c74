import type { Command } from 'commander'
import { appendEntry } from '../../audit/index.ts'
import { type LogFinding, verifyLog } from '../../audit/reading/index.ts'
import { systemClock } from '../../context.ts'
import { examine } from '../../doctor.ts'
import { createLog } from '../../log.ts'
import { listKeys, revokeKey, rotateKeys } from '../../tokens/index.ts'
import { asOperator } from '../as-operator.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import type { Session } from '../program.ts'
import { tableOf } from '../table.ts'

const meanings: Readonly<Record<LogFinding['kind'], string>> = {
  edited: 'an entry, or a hash over it, is not what was sealed',
  moved: 'an entry stands at another position than it was sealed at',
  missing: 'an entry was removed',
  repeated: 'two entries stand at one position',
  unsigned: 'entries that no checkpoint vouches for',
  bad_checkpoint: 'a checkpoint is damaged or forged',
  other_key: 'the log is signed by another key than expected',
  rewritten: 'entries before a checkpoint are not those it was signed for',
}

const collect = (value: string, all: string[] = []) => [...all, value]

/** `keys`, `audit verify`, `doctor`, `migrate`: they act on the database itself, as actor `operator`. */
export function addOperatorCommands(program: Command, session: Session): void {
  addKeys(program, session)
  addAudit(program, session)
  addDoctor(program, session)
  program
    .command('migrate')
    .description('bring the database to this release’s schema')
    .action(async () => {
      // opening the database as operator migrates it
      await asOperator(session.io, (ctx) =>
        ctx.database.transaction((tx) =>
          appendEntry(tx, ctx, { action: 'run-migrations', outcome: 'ok' }),
        ),
      )
      session.show({ migrated: true }, () => 'The database has this release’s schema.')
    })
}

function addAudit(program: Command, session: Session): void {
  program
    .command('audit')
    .description('the audit log')
    .command('verify')
    .description('recompute the whole log and compare it with its checkpoints')
    .option('--checkpoint <file>', 'checkpoints kept outside the database (repeatable)', collect)
    .option('--key <key>', 'the verifier key to trust, instead of the database’s own')
    .action(async (options: { checkpoint?: string[]; key?: string }) => {
      const report = await asOperator(session.io, (ctx) =>
        verifyLog(ctx, { checkpointFiles: options.checkpoint, verifierKey: options.key }),
      )
      session.show(
        { ...report, finding: report.finding === null ? null : { ...report.finding } },
        () => `${report.size} entries and ${report.checkpointCount} checkpoints hold.`,
      )
      if (report.finding !== null) {
        const { kind, position, upTo } = report.finding
        const where =
          position === upTo ? `position ${position}` : `a position from ${position} to ${upTo}`
        throw new CommandEnd(
          exitStatus.refused,
          `The log does not hold: ${meanings[kind]}, at ${where}.`,
          kind,
        )
      }
    })
}

const marks = { ok: 'ok     ', warning: 'warning', fault: 'FAULT  ' } as const

function addDoctor(program: Command, session: Session): void {
  program
    .command('doctor')
    .description('check the installation, and say how to mend what is wrong')
    .action(async () => {
      const { io } = session
      const findings = await examine({
        environment: io.environment,
        clock: systemClock,
        log: createLog((line) => io.complain(line.trimEnd()), 'error'),
        user: io.operatingSystemUser,
      })
      session.show({ findings: findings.map((finding) => ({ ...finding })) }, () =>
        findings
          .map(({ check, status, code, message }) =>
            [marks[status], `${check}:`, message, code === undefined ? '' : `(${code})`]
              .join(' ')
              .trimEnd(),
          )
          .join('\n'),
      )
      const count = findings.filter(({ status }) => status === 'fault').length
      if (count > 0) throw new CommandEnd(exitStatus.refused, `${count} fault(s)`, 'faults_found')
    })
}

function addKeys(program: Command, session: Session): void {
  const keys = program.command('keys').description('the signing keys')
  keys
    .command('list')
    .description('every signing key and its state')
    .action(async () => {
      const found = await asOperator(session.io, (ctx) => listKeys(ctx))
      const items = found.map(({ kid, algorithm, state, createdAt }) => ({
        kid,
        algorithm,
        state,
        created_at: createdAt.toISOString(),
      }))
      session.show({ items }, () =>
        tableOf(
          ['kid', 'algorithm', 'state', 'created at'],
          items.map((item) => [item.kid, item.algorithm, item.state, item.created_at]),
          'There is no key yet; the broker makes one when it starts.',
        ),
      )
    })
  keys
    .command('rotate')
    .description('let the next key sign from now on')
    .action(async () => {
      const rotation = await asOperator(session.io, (ctx) =>
        rotateKeys(ctx, { onlyWhenDue: false }),
      )
      session.show(
        { active_kid: rotation?.activeKid ?? null, retiring_kid: rotation?.retiringKid ?? null },
        () =>
          `${rotation?.activeKid} signs now; ${rotation?.retiringKid ?? 'no key'} stays published until its last token has ended.`,
      )
    })
  keys
    .command('revoke <kid>')
    .description('a key leaked: out of the JWKS at once, and another signs')
    .action(async (kid: string) => {
      const revocation = await asOperator(session.io, (ctx) => revokeKey(ctx, { kid }))
      session.show({ ...revocation }, () => `${kid} is revoked; tokens it signed are refused.`)
    })
}
