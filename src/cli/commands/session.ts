import type { Command } from 'commander'
import { browserSignIn } from '../browser-sign-in.ts'
import { CommandEnd, exitStatus } from '../io.ts'
import type { Session } from '../program.ts'
import { currentSession, forgetSession, givenSession, storeSession } from '../session-file.ts'

/** `login`, `logout`, `whoami` */
export function addSessionCommands(program: Command, session: Session): void {
  program
    .command('login')
    .description('sign in: opens the browser, or in development signs in as somebody')
    .option('--as <subject>', 'development sign-in as this person')
    .action(async (options: { as?: string }) => {
      const { io } = session
      const rest = session.rest()
      const token =
        options.as === undefined
          ? await browserSignIn(io, rest.url)
          : await developmentSignIn(session, options.as)
      const me = await rest.get('/v1/me', { session: token })
      storeSession(io, rest.url, token, String(me.subject))
      session.show(me, () => `Signed in to ${rest.url} as ${String(me.subject)}.`)
      if (givenSession(io) !== undefined) {
        session.remark('HALLPASS_SESSION is set and wins over this sign-in. Unset it.')
      }
    })

  program
    .command('logout')
    .description('end the session here and at the broker')
    .action(async () => {
      const { io } = session
      const rest = session.rest()
      try {
        if (currentSession(io, rest.url) !== undefined) await signOut(session)
      } finally {
        if (givenSession(io) === undefined) forgetSession(io, rest.url)
      }
      session.show({ signed_out: true }, () => `Signed out of ${rest.url}.`)
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
          `session ends at ${String(me.expires_at)}, or after 30 minutes without use`,
        ].join('\n'),
      )
    })
}

/** Ends the session at the broker; one that has ended already is what was wanted. */
async function signOut(session: Session): Promise<void> {
  try {
    await session.rest().post('/v1/sign-out')
  } catch (error) {
    if (!(error instanceof CommandEnd && error.status === exitStatus.notSignedIn)) throw error
  }
}

async function developmentSignIn(session: Session, subject: string): Promise<string> {
  const answer = await session
    .rest()
    .post('/dev/sign-in', { subject }, { session: null })
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
