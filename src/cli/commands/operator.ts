import type { Command } from 'commander'
import { listKeys, revokeKey, rotateKeys } from '../../tokens/index.ts'
import { asOperator } from '../as-operator.ts'
import type { Session } from '../program.ts'
import { tableOf } from '../table.ts'

/** `keys`, `migrate`: they act on the database itself, as actor `operator`. */
export function addOperatorCommands(program: Command, session: Session): void {
  addKeys(program, session)
  program
    .command('migrate')
    .description('bring the database to this release’s schema')
    .action(async () => {
      // opening the database as operator migrates it
      await asOperator(session.io, async () => {})
      session.show({ migrated: true }, () => 'The database has this release’s schema.')
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
