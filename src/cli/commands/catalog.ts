import type { Command } from 'commander'
import { durationOf } from '../duration.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { tableOf } from '../table.ts'
import { addExplain } from './explain.ts'

// the rooms are loaded by the command that needs them, so that the others start at once
const source = () => import('../catalog-source.ts')

/** `catalog show | check | apply | explain` */
export function addCatalogCommands(program: Command, session: Session): void {
  const catalog = program.command('catalog').description('what may be asked for, and the rules')
  catalog
    .command('show')
    .description('what you may ask for')
    .action(async () => {
      const visible = await session.rest().get('/v1/catalog')
      session.show(visible, () => visibleText(visible))
    })
  catalog
    .command('check <file>')
    .description('name every fault of a catalog file, with line and column')
    .action((file: string) => check(session, file))
  catalog
    .command('apply <file>')
    .description('put a catalog in force on every replica')
    .option('--force', 'also when it goes back to an older version')
    .action((file: string, options: { force?: boolean }) =>
      apply(session, file, options.force === true),
    )
  addExplain(catalog, session)
}

async function check(session: Session, file: string): Promise<void> {
  const { checkFile, faultLines } = await source()
  const { faults, warnings } = checkFile(session.io, file)
  for (const line of faultLines(file, faults, warnings)) session.remark(line)
  session.show({ faults, warnings }, () => (faults.length === 0 ? `${file} is good.` : ''))
  if (faults.length > 0) throw faulty(file, faults.length)
}

async function apply(session: Session, file: string, isForced: boolean): Promise<void> {
  const [{ checkFile, faultLines }, { applyCatalog, readCatalogFile }, { asOperator }] =
    await Promise.all([source(), import('../../catalog/index.ts'), import('../as-operator.ts')])
  const { faults, warnings } = checkFile(session.io, file)
  for (const line of faultLines(file, faults, warnings)) session.io.complain(line)
  if (faults.length > 0) throw faulty(file, faults.length)
  const { version, outcome } = await asOperator(session.io, (ctx) =>
    applyCatalog(ctx, { ...readCatalogFile(file), isForced }),
  )
  session.show({ version, outcome }, () =>
    outcome === 'unchanged'
      ? `Version ${version} is in force already, with the same content.`
      : `Version ${version} is in force.`,
  )
}

function faulty(file: string, count: number): CommandEnd {
  const faults = count === 1 ? '1 fault' : `${count} faults`
  return new CommandEnd(exitStatus.refused, `${file} has ${faults}.`, 'invalid_input')
}

function visibleText(visible: JsonObject): string {
  const roles = visible.roles as JsonObject[]
  return tableOf(
    ['role', 'resource', 'scopes', 'approvals', 'longest'],
    roles.map((role) => [
      String(role.name),
      String(role.resource),
      (role.scopes as string[]).join(' '),
      role.is_self_service === true ? 'none' : String(role.seat_count),
      durationOf(Number(role.max_duration_seconds)),
    ]),
    'No policy lets you ask for anything.',
  )
}
