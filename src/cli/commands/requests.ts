import type { Command } from 'commander'
import { secondsOf } from '../duration.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import { addListOptions, collect, type ListOptions, showPage, withQuery } from '../options.ts'
import type { Session } from '../program.ts'
import { previewText, requestTable, requestText } from '../request-text.ts'
import type { JsonObject } from '../rest-client.ts'
import { waitForDecision } from '../wait-for-decision.ts'

interface AskOptions {
  for: string
  why: string
  scope?: string[]
  ticket?: string
  startAt?: string
  breakGlass?: boolean
  wait?: boolean
  waitFor?: string
}

const states = ['pending', 'approved', 'denied', 'cancelled', 'expired']
const pathOf = (request: string) => `/v1/requests/${encodeURIComponent(request)}`

function bodyOf(role: string, options: AskOptions): JsonObject {
  return {
    role,
    duration_seconds: secondsOf(options.for),
    justification: options.why,
    ...(options.scope === undefined ? {} : { scopes: options.scope }),
    ...(options.ticket === undefined ? {} : { ticket: options.ticket }),
    ...(options.startAt === undefined ? {} : { starts_at: options.startAt }),
    ...(options.breakGlass === true ? { is_break_glass: true } : {}),
  }
}

function addAsk(program: Command, name: string, description: string): Command {
  return program
    .command(`${name} <role>`)
    .description(description)
    .requiredOption('--for <duration>', 'how long, such as 2h')
    .requiredOption('--why <text>', 'the justification that reviewers read')
    .option('--scope <scope>', 'only this scope of the role (repeatable)', collect)
    .option('--ticket <ticket>', 'the ticket that policy may ask for')
    .option('--start-at <time>', 'start later, RFC 3339')
    .option('--break-glass', 'emergency access: now, loud, reviewed afterwards')
}

/** `preview`, `request`, `requests`, `approve`, `deny`, `cancel` */
export function addRequestCommands(program: Command, session: Session): void {
  addAsk(program, 'preview', 'what would happen if you asked').action(
    async (role: string, options: AskOptions) => {
      const preview = await session.rest().post('/v1/requests/preview', bodyOf(role, options))
      session.show(preview, () => previewText(preview))
    },
  )
  addAsk(program, 'request', 'ask for a role')
    .option('--wait', 'wait until it is decided')
    .option('--wait-for <duration>', 'wait at most this long (exit status 3 when still waiting)')
    .action((role: string, options: AskOptions) => ask(session, role, options))
  addListing(program, session)
  addReview(program, session, 'approve')
  addReview(program, session, 'deny')
  program
    .command('cancel <request>')
    .description('take a request back')
    .action(async (id: string) => {
      const request = await session.rest().post(`${pathOf(id)}/cancel`)
      session.show(request, () => requestText(request))
    })
}

async function ask(session: Session, role: string, options: AskOptions): Promise<void> {
  if (options.waitFor !== undefined) secondsOf(options.waitFor)
  const asked = await session.rest().post('/v1/requests', bodyOf(role, options))
  const wantsToWait = options.wait === true || options.waitFor !== undefined
  const request = wantsToWait ? await waitForDecision(session, asked, options.waitFor) : asked
  session.show(request, () => requestText(request))
  const state = String(request.state)
  if (state === 'approved' || (state === 'pending' && !wantsToWait)) return
  if (state === 'pending') {
    throw new CommandEnd(exitStatus.waiting, `${String(request.id)} is still waiting.`)
  }
  throw new CommandEnd(exitStatus.refused, `The request was ${state}.`, state)
}

function addListing(program: Command, session: Session): void {
  const command = program
    .command('requests [request]')
    .description('requests that you may see, newest first; or one of them in full')
    .option('--to-review', 'only those that wait for your review')
  addListOptions(command, states).action(
    async (id: string | undefined, options: ListOptions & { toReview?: boolean }) => {
      if (id !== undefined) {
        const request = await session.rest().get(pathOf(id))
        return session.show(request, () => requestText(request))
      }
      const { toReview, ...query } = options
      const path = withQuery('/v1/requests', { to_review: toReview ? 'me' : undefined, ...query })
      showPage(session, await session.rest().get(path), requestTable)
    },
  )
}

function addReview(program: Command, session: Session, verdict: 'approve' | 'deny'): void {
  const command = program
    .command(`${verdict} <request>`)
    .description(verdict === 'approve' ? 'approve a request, or less of it' : 'deny a request')
  if (verdict === 'approve') {
    command
      .option('--scope <scope>', 'only this scope (repeatable)', collect)
      .option('--for <duration>', 'a shorter time than asked')
      .option('--comment <text>', 'a note to the requester')
  } else {
    command.requiredOption('--comment <text>', 'why, as the requester will read it')
  }
  command.action(
    async (id: string, options: { scope?: string[]; for?: string; comment?: string }) => {
      const request = await session.rest().post(`${pathOf(id)}/reviews`, {
        verdict,
        ...(options.comment === undefined ? {} : { comment: options.comment }),
        ...(options.scope === undefined ? {} : { scopes: options.scope }),
        ...(options.for === undefined ? {} : { duration_seconds: secondsOf(options.for) }),
      })
      session.show(request, () => requestText(request))
    },
  )
}
