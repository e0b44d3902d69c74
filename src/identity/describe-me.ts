import { eq } from 'drizzle-orm'
import { catalogInForce, groupsOf, isAdmin } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { sessionTable } from '../database/schema/identity.ts'
import { actorFacts } from './subject-facts.ts'

export interface MeView {
  readonly subject: string
  readonly kind: 'person' | 'workload'
  /** Every group of the catalog that contains the subject, through nesting. */
  readonly groups: readonly string[]
  readonly isAdmin: boolean
  /** When this session ends at the latest, however busy; null when the actor did not come by one. */
  readonly expiresAt: Date | null
}

/** Who the actor is to Hallpass. */
export async function describeMe(ctx: OperationContext): Promise<MeView> {
  return ctx.database.read(async (db) => {
    const facts = await actorFacts(db, ctx)
    const catalog = await catalogInForce(db)
    const { sessionId } = ctx.actor
    const [session] =
      sessionId === undefined
        ? []
        : await db
            .select({ expiresAt: sessionTable.expiresAt })
            .from(sessionTable)
            .where(eq(sessionTable.id, sessionId))
    return {
      subject: facts.id,
      kind: facts.kind,
      groups: groupsOf(catalog, facts),
      isAdmin: isAdmin(catalog, facts),
      expiresAt: session?.expiresAt ?? null,
    }
  })
}
