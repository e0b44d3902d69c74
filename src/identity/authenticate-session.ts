import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import type { Actor, Services } from '../context.ts'
import type { Database, Queryable } from '../database/index.ts'
import { sessionTable, subjectTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { hashSecret } from './secret.ts'
import { isLastSeenStale, isSessionLive, secretPrefix } from './session.ts'
import { subjectKind } from './subject.ts'

type AuthenticationServices = Pick<Services, 'clock' | 'database'>

/**
 * Who comes with this Bearer session token (without the word Bearer). Throws `unauthenticated` for an unknown,
 * ended, idle or expired session, for a disabled subject, and for a browser's cookie.
 */
export async function authenticateSession(
  ctx: AuthenticationServices,
  bearer: string,
): Promise<Actor> {
  const actor = bearer.startsWith('hps_') ? await sessionActor(ctx, bearer) : undefined
  if (actor === undefined) {
    throw new HallpassError(
      'unauthenticated',
      'This session is not known or has ended. Sign in again.',
    )
  }
  return actor
}

/** Who comes with this cookie, or undefined. Only pages ask. */
export async function authenticateBrowser(
  ctx: AuthenticationServices,
  cookie: string | undefined,
): Promise<Actor | undefined> {
  return cookie?.startsWith('hpb_') ? sessionActor(ctx, cookie) : undefined
}

async function sessionActor(
  ctx: AuthenticationServices,
  secret: string,
): Promise<Actor | undefined> {
  const now = ctx.clock.now()
  const row = await sessionOf(ctx.database, hashSecret(secret))
  if (row === undefined || row.isDisabled || !isSessionLive(row, now)) return undefined
  if (!secret.startsWith(secretPrefix(row.via))) return undefined
  if (isLastSeenStale(row.lastSeenAt, now)) await touchSession(ctx, row.id, now)
  return { kind: subjectKind(row.subject), id: row.subject, via: row.via, sessionId: row.id }
}

const statements = new WeakMap<Database, ReturnType<typeof prepareSession>>()

/** Asked before every call: a connection prepares it once. */
async function sessionOf(database: Database, secretHash: Buffer) {
  const [row] = await database.read((db) => {
    const statement = statements.get(database) ?? prepareSession(db, database)
    statements.set(database, statement)
    return statement.execute({ secretHash })
  })
  return row
}

function prepareSession(db: Queryable, database: Database) {
  return db
    .select({
      id: sessionTable.id,
      subject: sessionTable.subject,
      via: sessionTable.via,
      lastSeenAt: sessionTable.lastSeenAt,
      expiresAt: sessionTable.expiresAt,
      endedAt: sessionTable.endedAt,
      isDisabled: subjectTable.isDisabled,
    })
    .from(sessionTable)
    .innerJoin(subjectTable, eq(subjectTable.id, sessionTable.subject))
    .where(eq(sessionTable.secretHash, sql.placeholder('secretHash')))
    .prepare(database.statementName('session'))
}

async function touchSession(ctx: AuthenticationServices, id: string, now: Date): Promise<void> {
  await ctx.database.read((db) =>
    db
      .update(sessionTable)
      .set({ lastSeenAt: now })
      .where(
        and(
          eq(sessionTable.id, id),
          isNull(sessionTable.endedAt),
          lt(sessionTable.lastSeenAt, now),
        ),
      ),
  )
}
