import type { Command } from 'commander'
import { listKeys, revokeKey, rotateKeys } from '../../tokens/index.ts'
import { asOperator } from '../as-operator.ts'
import type { Session } from '../program.ts'
import { tableOf } from '../table.ts'

/** `keys list | rotate | revoke` */
export function addKeyCommands(program: Command, session: Session): void {
  const keys = program.command('keys').description('the signing keys')
  keys
    .command('list')
    .description('every signing key and its state')
    .action(() => list(session))
  keys
    .command('rotate')
    .description('let the next key sign from now on')
    .action(() => rotate(session))
  keys
    .command('revoke <kid>')
    .description('a key leaked: out of the JWKS at once, and another signs')
    // a kid may begin with a hyphen
    .allowUnknownOption()
    .action(async (kid: string) => {
      const revocation = await asOperator(session.io, (ctx) => revokeKey(ctx, { kid }))
      const { tokensRevoked, activeKid } = revocation
      const tokens = tokensRevoked === 1 ? '1 live token' : `${tokensRevoked} live tokens`
      session.show(
        revocation,
        () => `${kid} is revoked, and with it ${tokens}. ${activeKid} signs now.`,
      )
    })
}

async function list(session: Session): Promise<void> {
  const found = await asOperator(session.io, (ctx) => listKeys(ctx))
  const items = found.map(({ kid, algorithm, state, createdAt }) => ({
    kid,
    algorithm,
    state,
    createdAt: createdAt.toISOString(),
  }))
  session.show({ items }, () =>
    tableOf(
      ['kid', 'algorithm', 'state', 'created at'],
      items.map((item) => [item.kid, item.algorithm, item.state, item.createdAt]),
      'There is no key yet; the broker makes one when it starts.',
    ),
  )
}

async function rotate(session: Session): Promise<void> {
  const rotation = await asOperator(session.io, (ctx) => rotateKeys(ctx, { onlyWhenDue: false }))
  if (rotation === null) return
  const { activeKid, retiringKid, nextKid } = rotation
  session.show(rotation, () =>
    [
      `${activeKid} signs now.`,
      `${retiringKid ?? 'No key'} stays published until its last token has ended.`,
      `${nextKid} is published and signs next.`,
      ...(rotation.isKnownToVerifiers
        ? []
        : ['Verifiers that cached the key set meet the new key once and read the set again.']),
    ].join('\n'),
  )
}
