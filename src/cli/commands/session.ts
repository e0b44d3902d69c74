import type { Command } from 'commander'
import { browserSignIn } from '../browser-sign-in.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import type { Session } from '../program.ts'
import { forgetSession, storedSession, storeSession } from '../session-file.ts'

/** `login`, `logout`, `whoami` */
export function addSessionCommands(program: Command, session: Session): void {
  program
    .command('login')
    .description('sign in: opens the browser, or in development signs in as somebody')
    .option('--as <subject>', 'development sign-in as this person')
    .action(async (options: { as?: string }) => {
      const { io, rest } = session
      const token =
        options.as === undefined
          ? await browserSignIn(io, rest())
          : await developmentSignIn(session, options.as)
      const { url } = rest()
      storeSession(io, url, token, options.as ?? '')
      const me = await rest().get('/v1/me')
      session.show(me, () => `Signed in to ${url} as ${String(me.subject)}.`)
    })

  program
    .command('logout')
    .description('end the session here and at the broker')
    .action(async () => {
      const { io, rest } = session
      const { url } = rest()
      if (storedSession(io, url) !== undefined) {
        try {
          await rest().post('/v1/sign-out')
        } catch (error) {
          // a session that has ended already is what was wanted
          if (!(error instanceof CommandEnd && error.status === exitStatus.notSignedIn)) throw error
        } finally {
          forgetSession(io, url)
        }
      }
      session.show({ signed_out: true }, () => `Signed out of ${url}.`)
    })

  program
    .command('whoami')
    .description('who you are to the broker')
    .action(async () => {
      const me = await session.rest().get('/v1/me')
      session.show(me, () =>
        [
          `${String(me.subject)}${me.is_admin === true ? ' (admin)' : ''}`,
          `groups: ${(me.groups as string[]).join(', ') || 'none'}`,
          `session ends at ${String(me.expires_at)}`,
        ].join('\n'),
      )
    })
}

async function developmentSignIn(session: Session, subject: string): Promise<string> {
  const answer = await session
    .rest()
    .post('/dev/sign-in', { subject }, { withoutSession: true })
    .catch((error: unknown) => {
      if (error instanceof CommandEnd && error.code === 'not_found') {
        throw new CommandEnd(
          exitStatus.refused,
          'This broker has no development sign-in. Run `hallpass login` without --as.',
          'not_found',
        )
      }
      throw error
    })
  return String(answer.access_token)
}
