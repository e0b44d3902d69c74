import type { Command } from 'commander'
import { secondsOf } from '../duration.ts'
import { addListOptions, collect, type ListOptions, showPage, withQuery } from '../options.ts'
import type { Session } from '../program.ts'
import { requestText } from '../request-text.ts'
import type { JsonObject } from '../rest-client.ts'
import { tableOf } from '../table.ts'
import { printable } from '../terminal-text.ts'

const states = ['scheduled', 'active', 'suspended', 'revoked', 'released', 'expired']
const pathOf = (grant: string) => `/v1/grants/${encodeURIComponent(grant)}`

/** `grants`, `token`, `extend`, `release`, `revoke`, `suspend`, `resume` */
export function addGrantCommands(program: Command, session: Session): void {
  addListing(program, session)
  program
    .command('token <grant>')
    .description('print a token, and nothing else, on stdout')
    .option('--scope <scope>', 'only this scope (repeatable)', collect)
    .action(async (grant: string, options: { scope?: string[] }) => {
      const body = options.scope === undefined ? {} : { scopes: options.scope }
      const minted = await session.rest().post(`${pathOf(grant)}/tokens`, body)
      session.show(minted, () => String(minted.access_token))
    })
  program
    .command('extend <grant>')
    .description('ask for more time')
    .requiredOption('--for <duration>', 'how much longer, such as 30m')
    .requiredOption('--why <text>', 'the justification that reviewers read')
    .option('--ticket <ticket>', 'the ticket that policy may ask for')
    .action(async (grant: string, options: { for: string; why: string; ticket?: string }) => {
      const request = await session.rest().post(`${pathOf(grant)}/extend`, {
        duration_seconds: secondsOf(options.for),
        justification: options.why,
        ...(options.ticket === undefined ? {} : { ticket: options.ticket }),
      })
      session.show(request, () => requestText(request))
    })
  addRelease(program, session)
  addEnding(program, session, 'revoke', 'end somebody’s grant for good')
  addEnding(program, session, 'suspend', 'stop a grant for now')
  addEnding(program, session, 'resume', 'let a suspended grant go on')
}

function addListing(program: Command, session: Session): void {
  const command = program
    .command('grants [grant]')
    .description('grants that you may see, newest first; or one of them in full')
    .option('--resource <resource>', 'only those on this resource')
  addListOptions(command, states).action(
    async (id: string | undefined, options: ListOptions & { resource?: string }) => {
      if (id !== undefined) {
        const grant = await session.rest().get(pathOf(id))
        return session.show(grant, () => grantText(grant))
      }
      const path = withQuery('/v1/grants', { ...options })
      showPage(session, await session.rest().get(path), grantTable)
    },
  )
}

function addRelease(program: Command, session: Session): void {
  program
    .command('release <grant>')
    .description('give a grant back early')
    .option('--why <text>', 'kept as a comment on the request that opened it')
    .action(async (grant: string, options: { why?: string }) => {
      const ended = await session.rest().post(`${pathOf(grant)}/release`)
      if (options.why !== undefined) {
        const request = encodeURIComponent(String(ended.request_id))
        await session.rest().post(`/v1/requests/${request}/comments`, { text: options.why })
      }
      session.show(ended, () => grantText(ended))
    })
}

function addEnding(
  program: Command,
  session: Session,
  act: 'revoke' | 'suspend' | 'resume',
  description: string,
): void {
  program
    .command(`${act} <grant>`)
    .description(description)
    .option('--why <text>', 'the reason, as the audit log keeps it')
    .action(async (grant: string, { why = 'no reason given' }: { why?: string }) => {
      const changed = await session.rest().post(`${pathOf(grant)}/${act}`, { reason: why })
      session.show(changed, () => grantText(changed))
    })
}

const text = (value: unknown) => printable(String(value))

function grantText(grant: JsonObject): string {
  const scopes = (grant.scopes as string[]).join(', ')
  const reason = grant.end_reason == null ? '' : `: ${text(grant.end_reason)}`
  const lines = [
    `${text(grant.id)}  ${text(grant.state)}`,
    `  ${text(grant.subject)} holds ${text(grant.role)} on ${text(grant.resource)} (${text(scopes)})`,
    `  from ${text(grant.starts_at)} to ${text(grant.ends_at)}`,
  ]
  if (grant.ended_at != null) {
    const by = grant.ended_by == null ? '' : ` by ${text(grant.ended_by)}`
    lines.push(`  ended at ${text(grant.ended_at)}${by}${reason}`)
  }
  return lines.join('\n')
}

function grantTable(items: readonly JsonObject[]): string {
  return tableOf(
    ['grant', 'state', 'subject', 'role', 'scopes', 'ends at'],
    items.map((item) => [
      String(item.id),
      String(item.state),
      String(item.subject),
      String(item.role),
      (item.scopes as string[]).join(' '),
      String(item.ended_at ?? item.ends_at),
    ]),
    'There is no such grant. Ask with: hallpass request ROLE --for 1h --why "…"',
  )
}
