import type { Command } from 'commander'
import { secondsOf } from '../duration.ts'
import type { Session } from '../program.ts'
import type { JsonObject } from '../rest-client.ts'
import { printable, tableOf } from '../table.ts'
import { requestText } from './requests.ts'

const path = (grant: string, act: string) => `/v1/grants/${encodeURIComponent(grant)}/${act}`

/** `grants`, `token`, `extend`, `release`, `revoke`, `suspend`, `resume` */
export function addGrantCommands(program: Command, session: Session): void {
  program
    .command('grants')
    .description('grants that you may see')
    .option('--state <state>', 'scheduled, active, suspended, revoked, released or expired')
    .action(async (options: { state?: string }) => {
      const query = options.state === undefined ? '' : `?state=${encodeURIComponent(options.state)}`
      const list = await session.rest().get(`/v1/grants${query}`)
      session.show(list, () => grantTable(list.items as JsonObject[]))
    })

  program
    .command('token <grant>')
    .description('print a token, and nothing else, on stdout')
    .option(
      '--scope <scope>',
      'only this scope (repeatable)',
      (value: string, all: string[] = []) => [...all, value],
    )
    .action(async (grant: string, options: { scope?: string[] }) => {
      const minted = await session
        .rest()
        .post(path(grant, 'tokens'), options.scope === undefined ? {} : { scopes: options.scope })
      session.show(minted, () => String(minted.access_token))
    })

  program
    .command('extend <grant>')
    .description('ask for more time')
    .requiredOption('--for <duration>', 'how much longer, such as 30m')
    .requiredOption('--why <text>', 'the justification that reviewers read')
    .option('--ticket <ticket>', 'the ticket that policy may ask for')
    .action(async (grant: string, options: { for: string; why: string; ticket?: string }) => {
      const request = await session.rest().post(path(grant, 'extend'), {
        duration_seconds: secondsOf(options.for),
        justification: options.why,
        ...(options.ticket === undefined ? {} : { ticket: options.ticket }),
      })
      session.show(request, () => requestText(request))
    })

  program
    .command('release <grant>')
    .description('give a grant back early')
    .action(async (grant: string) => {
      const ended = await session.rest().post(path(grant, 'release'))
      session.show(ended, () => grantText(ended))
    })

  for (const [act, description] of [
    ['revoke', 'end somebody’s grant for good'],
    ['suspend', 'stop a grant for now'],
    ['resume', 'let a suspended grant go on'],
  ] as const) {
    program
      .command(`${act} <grant>`)
      .description(description)
      .requiredOption('--why <text>', 'the reason, as the audit log keeps it')
      .action(async (grant: string, options: { why: string }) => {
        const changed = await session.rest().post(path(grant, act), { reason: options.why })
        session.show(changed, () => grantText(changed))
      })
  }
}

function grantText(grant: JsonObject): string {
  const ended =
    grant.ended_at == null
      ? ''
      : `, ended at ${String(grant.ended_at)} by ${String(grant.ended_by)}`
  return `${String(grant.id)}  ${String(grant.state)}  ${String(grant.subject)}  ${String(grant.role)}${ended}`
}

function grantTable(items: readonly JsonObject[]): string {
  return tableOf(
    ['grant', 'state', 'subject', 'role', 'scopes', 'ends at'],
    items.map((item) => [
      String(item.id),
      String(item.state),
      String(item.subject),
      String(item.role),
      (item.scopes as string[]).map(printable).join(' '),
      String(item.ended_at ?? item.ends_at),
    ]),
    'You hold nothing. Ask with: hallpass request ROLE --for 1h --why "…"',
  )
}
