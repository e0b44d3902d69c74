import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  applyCatalog,
  type Catalog,
  type Explanation,
  explain,
  parseCatalog,
  readCatalogFile,
} from '../../catalog/index.ts'
import { HallpassError } from '../../errors.ts'
import { installationRoot } from '../../installation.ts'
import { asOperator } from '../as-operator.ts'
import { durationOf, secondsOf } from '../duration.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { tableOf } from '../table.ts'

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
    .action((file: string) => {
      const { warnings } = checkedFile(session, file)
      session.show({ faults: [], warnings }, () => `${file} is good.`)
    })
  catalog
    .command('apply <file>')
    .description('put a catalog in force on every replica')
    .option('--force', 'also when it goes back to an older version')
    .action(async (file: string, options: { force?: boolean }) => {
      checkedFile(session, file)
      const applied = await asOperator(session.io, (ctx) =>
        applyCatalog(ctx, { ...readCatalogFile(file), isForced: options.force === true }),
      )
      session.show({ version: applied.version, outcome: applied.outcome }, () =>
        applied.outcome === 'unchanged'
          ? `Version ${applied.version} is in force already, with the same content.`
          : `Version ${applied.version} is in force.`,
      )
    })
  addExplain(catalog, session)
}

interface ExplainOptions {
  as: string
  for: string
  scope?: string[]
  claim?: string[]
  why?: string
  ticket?: string
  breakGlass?: boolean
  file?: string
}

function addExplain(catalog: Command, session: Session): void {
  const collect = (value: string, all: string[] = []) => [...all, value]
  catalog
    .command('explain <role>')
    .description('what policy says, which one decided, and why not the ones before it')
    .requiredOption('--as <subject>', 'who would ask')
    .requiredOption('--for <duration>', 'for how long')
    .option('--scope <scope>', 'only this scope (repeatable)', collect)
    .option(
      '--claim <group>',
      'a group of the identity provider that the subject has (repeatable)',
      collect,
    )
    .option('--why <text>', 'the justification; left out, it is taken to be good')
    .option('--ticket <ticket>', 'the ticket; left out, it is taken to be good')
    .option('--break-glass', 'as an emergency')
    .option('--file <file>', 'the catalog (default: HALLPASS_CONFIG, ./hallpass.yaml, the example)')
    .action((role: string, options: ExplainOptions) => {
      const { catalog: checked } = checkedFile(session, fileOf(session, options.file))
      const explanation = explain(
        checked,
        {
          id: options.as,
          kind: options.as.startsWith('workload:') ? 'workload' : 'person',
          claimGroups: options.claim ?? [],
        },
        {
          role,
          scopes: options.scope,
          durationSeconds: secondsOf(options.for),
          justification: options.why,
          ticket: options.ticket,
          startsAt: undefined,
          isBreakGlass: options.breakGlass === true,
          isExtension: false,
        },
        session.io.now(),
      )
      session.show({ ...explanation }, () => explanationText(explanation))
    })
}

function fileOf(session: Session, given: string | undefined): string {
  const named = given ?? session.io.environment.HALLPASS_CONFIG
  if (named !== undefined) return named
  try {
    readCatalogFile('hallpass.yaml')
    return resolve('hallpass.yaml')
  } catch {
    return join(installationRoot, 'example', 'hallpass.yaml')
  }
}

/** Parses a file; faults and warnings go to stderr one a line, as compilers write them. */
function checkedFile(
  session: Session,
  file: string,
): { catalog: Catalog; warnings: readonly string[] } {
  const text = readText(file)
  const { catalog, faults, warnings } = parseCatalog(text.content, {
    readFile: (name) => text.files[name],
  })
  const at = (kind: string) => (found: { line: number; column: number; message: string }) =>
    `${file}:${found.line}:${found.column}: ${kind}: ${found.message}`
  const warningLines = warnings.map(at('warning'))
  for (const line of warningLines) session.io.complain(line)
  if (catalog !== undefined) return { catalog, warnings: warningLines }
  for (const line of faults.map(at('fault'))) session.io.complain(line)
  throw new CommandEnd(
    exitStatus.refused,
    `${file} has ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}.`,
    'invalid_input',
  )
}

function readText(file: string) {
  try {
    return readCatalogFile(file)
  } catch (error) {
    if (error instanceof HallpassError) throw new CommandEnd(exitStatus.usage, error.message)
    throw error
  }
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

function explanationText(explanation: Explanation): string {
  const groups = explanation.groups.join(', ') || 'no group'
  return [
    `${explanation.decision}: ${explanation.subject} (${groups}) asks for ${explanation.role}`,
    ...explanation.reasons.map(({ message }) => `  ${message}`),
    'policies, in order:',
    ...explanation.policies.map(
      ({ policy, outcome, message }) => `  ${policy}: ${outcome.replace('_', ' ')}. ${message}`,
    ),
    ...(explanation.seats.length === 0 ? [] : ['seats:']),
    ...explanation.seats.map((seat) => {
      const claims = seat.orHoldersOf.map((name) => `anyone with ${name}`)
      const people = [...seat.couldFill, ...claims].join(', ') || 'nobody'
      return `  ${seat.count} from ${seat.from.join(', ')}: ${people}`
    }),
  ].join('\n')
}
