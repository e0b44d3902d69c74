import { and, desc, eq, inArray, lt, or, type SQL, sql } from 'drizzle-orm'
import type { OperationContext } from '../context.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { idOfCursor, type Page, pageOf } from './cursor.ts'
import type { GrantState } from './grant.ts'
import { type GrantVisibility, visibleGrants } from './grant-rights.ts'
import { type GrantView, grantView, lastUsedAtColumn } from './grant-view.ts'
import { subjectIdOf } from './known-subject.ts'
import { standingOf } from './standing.ts'
import { isStoredLive } from './sweep-grants.ts'

/** Narrows what the actor may see anyway. */
export interface GrantFilter {
  readonly subject?: string | undefined
  readonly resource?: string | undefined
  /** As time has made it. */
  readonly state?: GrantState | undefined
  /** 1 to 200 */
  readonly limit: number
  readonly cursor?: string | undefined
}

/** The grants that the actor may see, newest first. Throws `invalid_cursor`. */
export async function listGrants(
  ctx: OperationContext,
  filter: GrantFilter,
): Promise<Page<GrantView>> {
  const before = filter.cursor === undefined ? undefined : idOfCursor('grants', filter.cursor)
  const now = ctx.clock.now()
  return ctx.database.read(async (db) => {
    const { catalog, standing } = await standingOf(db, ctx)
    const visibility = visibleGrants(catalog, standing)
    if (visibility.kind === 'nothing') return { items: [], nextCursor: null }
    const { id, subject, resource } = accessGrantTable
    const rows = await db
      .select({ grant: accessGrantTable, lastUsedAt: lastUsedAtColumn })
      .from(accessGrantTable)
      .where(
        and(
          isVisible(visibility),
          before === undefined ? undefined : lt(id, before),
          filter.subject === undefined ? undefined : eq(subject, subjectIdOf(filter.subject)),
          filter.resource === undefined ? undefined : eq(resource, filter.resource),
          filter.state === undefined ? undefined : isInState(filter.state, now),
        ),
      )
      .orderBy(desc(id))
      .limit(filter.limit + 1)
    const views = rows.map(({ grant, lastUsedAt }) => grantView(grant, lastUsedAt, now))
    return pageOf('grants', views, filter.limit)
  })
}

function isVisible(visibility: Exclude<GrantVisibility, { kind: 'nothing' }>): SQL | undefined {
  if (visibility.kind === 'everything') return undefined
  return or(
    inArray(accessGrantTable.subject, [...visibility.subjects]),
    inArray(accessGrantTable.resource, [...visibility.resources]),
    inArray(accessGrantTable.policy, [...visibility.policies]),
  )
}

/** The same as `effectiveState(grant, now) = state`, in SQL. */
function isInState(state: GrantState, now: Date): SQL {
  const { startsAt, endsAt } = accessGrantTable
  const stored = accessGrantTable.state
  const at = sql`${now.toISOString()}::timestamptz`
  switch (state) {
    case 'expired':
      return sql`(${stored} = 'expired' or (${isStoredLive} and ${endsAt} <= ${at}))`
    case 'active':
      return sql`(${stored} = 'active' or (${stored} = 'scheduled' and ${startsAt} <= ${at})) and ${endsAt} > ${at}`
    case 'scheduled':
      return sql`${stored} = 'scheduled' and ${startsAt} > ${at}`
    case 'suspended':
      return sql`${stored} = 'suspended' and ${endsAt} > ${at}`
    default:
      return sql`${stored} = ${state}`
  }
}
