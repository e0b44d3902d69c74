import type { Command } from 'commander'
import { durationOf, secondsOf } from '../duration.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { printable, tableOf } from '../table.ts'

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

const collect = (value: string, all: string[] = []) => [...all, value]

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
    .action(async (role: string, options: AskOptions) => {
      const asked = await session.rest().post('/v1/requests', bodyOf(role, options))
      const wantsToWait = options.wait === true || options.waitFor !== undefined
      const request = wantsToWait ? await waitForDecision(session, asked, options.waitFor) : asked
      session.show(request, () => requestText(request))
      if (wantsToWait && request.state === 'pending') {
        throw new CommandEnd(exitStatus.waiting, `${String(request.id)} is still waiting.`)
      }
      if (request.state !== 'pending' && request.state !== 'approved') {
        throw new CommandEnd(
          exitStatus.refused,
          `The request was ${String(request.state)}.`,
          String(request.state),
        )
      }
    })

  program
    .command('requests')
    .description('requests that you may see')
    .option('--to-review', 'only those that wait for your review')
    .option('--state <state>', 'pending, approved, denied, cancelled or expired')
    .action(async (options: { toReview?: boolean; state?: string }) => {
      const query = new URLSearchParams()
      if (options.toReview === true) query.set('to_review', 'me')
      if (options.state !== undefined) query.set('state', options.state)
      const list = await session.rest().get(`/v1/requests?${query}`)
      session.show(list, () => requestTable(list.items as JsonObject[]))
    })

  addReview(program, session, 'approve')
  addReview(program, session, 'deny')

  program
    .command('cancel <request>')
    .description('take a request back')
    .action(async (id: string) => {
      const request = await session.rest().post(`/v1/requests/${encodeURIComponent(id)}/cancel`)
      session.show(request, () => requestText(request))
    })
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
      const request = await session.rest().post(`/v1/requests/${encodeURIComponent(id)}/reviews`, {
        verdict,
        ...(options.comment === undefined ? {} : { comment: options.comment }),
        ...(options.scope === undefined ? {} : { scopes: options.scope }),
        ...(options.for === undefined ? {} : { duration_seconds: secondsOf(options.for) }),
      })
      session.show(request, () => requestText(request))
    },
  )
}

async function waitForDecision(
  session: Session,
  asked: JsonObject,
  waitFor: string | undefined,
): Promise<JsonObject> {
  const { io } = session
  const until =
    waitFor === undefined
      ? Date.parse(String(asked.answer_by))
      : io.now().getTime() + secondsOf(waitFor) * 1000
  if (asked.state === 'pending') {
    io.complain(`${String(asked.id)} waits for ${reviewersOf(asked)} …`)
  }
  let request = asked
  let pause = 500
  while (request.state === 'pending' && io.now().getTime() < until) {
    await io.sleep(Math.min(pause, Math.max(50, until - io.now().getTime())))
    pause = Math.min(pause * 1.5, 5_000)
    request = await session.rest().get(`/v1/requests/${String(asked.id)}`)
  }
  return request
}

function reviewersOf(request: JsonObject): string {
  const people = (request.eligible_reviewers as string[] | undefined) ?? []
  if (people.length === 0) return 'a reviewer'
  return people.length <= 5
    ? people.join(', ')
    : `${people.slice(0, 5).join(', ')} and ${people.length - 5} more`
}

function previewText(preview: JsonObject): string {
  const decision = String(preview.decision)
  const meaning: Record<string, string> = {
    allow: 'you would get it at once',
    review: `it needs approval; who could give it: ${reviewersOf(preview)}`,
    deny: 'it would be refused',
  }
  return [
    `${decision}: ${meaning[decision] ?? ''}`,
    ...(preview.policy == null ? [] : [`policy: ${String(preview.policy)}`]),
    ...(preview.max_duration_seconds == null
      ? []
      : [`longest time: ${durationOf(Number(preview.max_duration_seconds))}`]),
    ...((preview.reasons as JsonObject[]) ?? []).map(
      (reason) => `  - ${printable(String(reason.message))}`,
    ),
  ].join('\n')
}

/** One request for people. */
export function requestText(request: JsonObject): string {
  const lines = [
    `${String(request.id)}  ${String(request.state)}`,
    `  ${String(request.subject)} asks for ${String(request.role)} (${(request.scopes as string[]).join(', ')}) for ${durationOf(Number(request.duration_seconds))}`,
    `  why: ${printable(String(request.justification))}${request.ticket == null ? '' : ` [${printable(String(request.ticket))}]`}`,
  ]
  if (request.state === 'pending')
    lines.push(`  waits for ${reviewersOf(request)} until ${String(request.answer_by)}`)
  for (const review of (request.reviews as JsonObject[]) ?? []) {
    const comment = review.comment == null ? '' : `: ${printable(String(review.comment))}`
    lines.push(
      `  ${review.verdict === 'approve' ? 'approved' : 'denied'} by ${String(review.reviewer)}${comment}`,
    )
  }
  if (request.grant_id != null) {
    lines.push(
      `  grant ${String(request.grant_id)}; get a token with: hallpass token ${String(request.grant_id)}`,
    )
  }
  return lines.join('\n')
}

function requestTable(items: readonly JsonObject[]): string {
  return tableOf(
    ['request', 'state', 'subject', 'role', 'for', 'why'],
    items.map((item) => [
      String(item.id),
      String(item.state),
      String(item.subject),
      String(item.role),
      durationOf(Number(item.duration_seconds)),
      String(item.justification).slice(0, 60),
    ]),
    'Nothing here.',
  )
}
