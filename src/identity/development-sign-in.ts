import { appendEntry } from '../audit/index.ts'
import { catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { HallpassError } from '../errors.ts'
import { operate } from '../operation.ts'
import { type CreatedSession, createSession } from './create-session.ts'
import { peopleNamed } from './people-named.ts'

/**
 * Signs anybody in whom the catalog names, without proof: for trying Hallpass on one's own machine. Transports
 * offer it in development mode alone (CONTRACTS §8). Throws `invalid_input` with the people one may be.
 */
export async function developmentSignIn(
  ctx: OperationContext,
  input: {
    readonly subject: string
    readonly via: 'api' | 'browser'
    readonly clientAddress?: string | undefined
    readonly userAgent?: string | undefined
  },
): Promise<CreatedSession> {
  return operate(ctx, 'development-sign-in', async (tx) => {
    const people = peopleNamed(await catalogInForce(tx.db))
    const subject = input.subject.toLowerCase()
    if (!people.includes(subject)) {
      const message = `must be one of ${people.slice(0, 50).join(', ')}`
      throw new HallpassError(
        'invalid_input',
        `The catalog names no such person: subject ${message}.`,
        {
          errors: [{ pointer: '/subject', message }],
          refusal: { details: { reason: 'person_unknown' } },
        },
      )
    }
    const session = await createSession(tx, ctx, {
      subject,
      via: input.via,
      authenticatedBy: 'development',
      clientAddress: input.clientAddress,
      userAgent: input.userAgent,
    })
    const actor = {
      kind: 'person',
      id: subject,
      via: input.via,
      sessionId: session.sessionId,
    } as const
    await appendEntry(
      tx,
      { ...ctx, actor },
      { action: 'development-sign-in', outcome: 'ok', subject },
    )
    return session
  })
}

/** Whom one may be in development mode, sorted. */
export async function listDevelopmentPeople(ctx: OperationContext): Promise<readonly string[]> {
  return ctx.database.read(async (db) => peopleNamed(await catalogInForce(db)))
}
