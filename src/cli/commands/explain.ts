import type { Command } from 'commander'
import { secondsOf } from '../duration.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import { snakeCased } from '../json.ts'
import { collect } from '../options.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { currentSession } from '../session-file.ts'
import { printable } from '../terminal-text.ts'

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

/** `catalog explain`: the broker answers by the catalog in force; with --file, or signed out, a file does. */
export function addExplain(catalog: Command, session: Session): void {
  catalog
    .command('explain <role>')
    .description('what policy says, which one decided, and why not the ones before it')
    .requiredOption('--as <subject>', 'who would ask')
    .requiredOption('--for <duration>', 'for how long')
    .option('--scope <scope>', 'only this scope (repeatable)', collect)
    .option('--why <text>', 'the justification; left out, it is taken to be good')
    .option('--ticket <ticket>', 'the ticket; left out, it is taken to be good')
    .option('--break-glass', 'as an emergency')
    .option('--file <file>', 'by this catalog file, instead of the one in force')
    .option(
      '--claim <group>',
      'with this group of the identity provider (repeatable); by a file alone',
      collect,
    )
    .action(async (role: string, options: ExplainOptions) => {
      const explanation = await explained(session, role, options)
      session.show(explanation, () => explanationText(explanation))
    })
}

async function explained(
  session: Session,
  role: string,
  options: ExplainOptions,
): Promise<JsonObject> {
  const durationSeconds = secondsOf(options.for)
  const { io } = session
  if (options.file !== undefined) return byFile(session, role, options, options.file)
  const { localCatalogFile } = await import('../catalog-source.ts')
  const file = localCatalogFile(io)
  if (options.claim !== undefined || currentSession(io, session.rest().url) === undefined) {
    session.remark(`By ${file}; signed in, you are told by the catalog in force.`)
    return byFile(session, role, options, file)
  }
  try {
    return await session.rest().post('/v1/catalog/explain', {
      role,
      subject: options.as,
      duration_seconds: durationSeconds,
      ...(options.scope === undefined ? {} : { scopes: options.scope }),
      ...(options.why === undefined ? {} : { justification: options.why }),
      ...(options.ticket === undefined ? {} : { ticket: options.ticket }),
      ...(options.breakGlass === true ? { is_break_glass: true } : {}),
    })
  } catch (error) {
    if (!(error instanceof CommandEnd && error.code === 'not_permitted')) throw error
    session.remark(`By ${file}; the catalog in force tells only admins about others.`)
    return byFile(session, role, options, file)
  }
}

async function byFile(
  session: Session,
  role: string,
  options: ExplainOptions,
  file: string,
): Promise<JsonObject> {
  const [{ checkFile, faultLines }, { explain }] = await Promise.all([
    import('../catalog-source.ts'),
    import('../../catalog/index.ts'),
  ])
  const { catalog, faults, warnings } = checkFile(session.io, file)
  if (catalog === undefined) {
    for (const line of faultLines(file, faults, warnings)) session.io.complain(line)
    throw new CommandEnd(exitStatus.refused, `${file} has faults.`, 'invalid_input')
  }
  const subject = {
    id: options.as.includes('@') ? options.as.toLowerCase() : options.as,
    kind: options.as.startsWith('workload:') ? 'workload' : 'person',
    claimGroups: options.claim ?? [],
  } as const
  const ask = {
    role,
    scopes: options.scope,
    durationSeconds: secondsOf(options.for),
    justification: options.why,
    ticket: options.ticket,
    startsAt: undefined,
    isBreakGlass: options.breakGlass === true,
    isExtension: false,
  }
  return snakeCased(explain(catalog, subject, ask, session.io.now()))
}

const text = (value: unknown) => printable(String(value))
const list = (value: unknown) => (Array.isArray(value) ? value.map(text) : [])
const objects = (value: unknown) => (Array.isArray(value) ? (value as JsonObject[]) : [])

function explanationText(explanation: JsonObject): string {
  const groups = list(explanation.groups).join(', ') || 'no group'
  const policies = objects(explanation.policies)
  const seats = objects(explanation.seats)
  return [
    `${text(explanation.decision)}: ${text(explanation.subject)} (${groups}) asks for ${text(explanation.role)}`,
    ...objects(explanation.reasons).map(({ message }) => `  ${text(message)}`),
    ...(policies.length === 0 ? [] : ['policies, in order:']),
    ...policies.map(
      ({ policy, outcome, message }) =>
        `  ${text(policy)}: ${text(outcome).replace('_', ' ')}. ${text(message)}`,
    ),
    ...(seats.length === 0 ? [] : ['seats:']),
    ...seats.map((seat) => {
      const claims = list(seat.or_holders_of).map((name) => `anyone with ${name}`)
      const people = [...list(seat.could_fill), ...claims].join(', ') || 'nobody'
      return `  ${text(seat.count)} from ${list(seat.from).join(', ')}: ${people}`
    }),
  ].join('\n')
}
