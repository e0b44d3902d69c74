import type { Command } from 'commander'
import type { Session } from '../program.ts'
import { tableOf } from '../table.ts'

// the rooms are loaded by the command that needs them, so that the others start at once
const tokens = () => import('../../tokens/index.ts')
const operator = () => import('../as-operator.ts')

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
      const [{ asOperator }, { revokeKey }] = await Promise.all([operator(), tokens()])
      const revocation = await asOperator(session.io, (ctx) => revokeKey(ctx, { kid }))
      const { tokensRevoked, activeKid } = revocation
      const live = tokensRevoked === 1 ? '1 live token' : `${tokensRevoked} live tokens`
      session.show(
        revocation,
        () => `${kid} is revoked, and with it ${live}. ${activeKid} signs now.`,
      )
    })
}

async function list(session: Session): Promise<void> {
  const [{ asOperator }, { listKeys }] = await Promise.all([operator(), tokens()])
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
  const [{ asOperator }, { rotateKeys }] = await Promise.all([operator(), tokens()])
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
