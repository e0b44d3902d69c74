import { and, desc, eq, gt, isNull, lt } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { sessionTable } from '../database/schema/identity.ts'
import { type SessionVia, sessionIdleSeconds } from './session.ts'
import { actorFacts } from './subject-facts.ts'

export interface SessionView {
  readonly id: string
  readonly via: SessionVia
  readonly authenticatedBy: string
  readonly createdAt: Date
  /** To the minute. */
  readonly lastSeenAt: Date
  readonly expiresAt: Date
  readonly clientAddress: string | null
  readonly userAgent: string | null
  readonly isCurrent: boolean
}

/** The actor's own live sessions, newest first; `before` is the id of the last one seen. */
export async function listSessions(
  ctx: OperationContext,
  page: { readonly limit: number; readonly before: string | undefined },
): Promise<readonly SessionView[]> {
  const now = ctx.clock.now()
  const rows = await ctx.database.read(async (db) => {
    const { id } = await actorFacts(db, ctx)
    return db
      .select({
        id: sessionTable.id,
        via: sessionTable.via,
        authenticatedBy: sessionTable.authenticatedBy,
        createdAt: sessionTable.createdAt,
        lastSeenAt: sessionTable.lastSeenAt,
        expiresAt: sessionTable.expiresAt,
        clientAddress: sessionTable.clientAddress,
        userAgent: sessionTable.userAgent,
      })
      .from(sessionTable)
      .where(
        and(
          eq(sessionTable.subject, id),
          isNull(sessionTable.endedAt),
          gt(sessionTable.expiresAt, now),
          gt(sessionTable.lastSeenAt, new Date(now.getTime() - sessionIdleSeconds * 1000)),
          page.before === undefined ? undefined : lt(sessionTable.id, page.before),
        ),
      )
      .orderBy(desc(sessionTable.id))
      .limit(page.limit)
  })
  return rows.map((row) => ({ ...row, isCurrent: row.id === ctx.actor.sessionId }))
}
