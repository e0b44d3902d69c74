import { createHash } from 'node:crypto'
import { and, desc, eq, inArray, lt, or, type SQL, sql } from 'drizzle-orm'
import {
  accountsOf,
  type Catalog,
  catalogInForce,
  groupsOf,
  isAdmin,
  isMember,
  isOwner,
  type Policy,
  type SubjectFacts,
} from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { accessRequestTable, reviewTable } from '../database/schema/access.ts'
import { actorFacts } from '../identity/index.ts'
import { cursorOf, idOfCursor, type Page } from './cursor.ts'
import { subjectIdOf } from './known-subject.ts'
import { isStoredPending, loadFacts, requestOf } from './load-request.ts'
import type { RequestState } from './request.ts'
import { type RequestView, requestView } from './request-view.ts'
import { canBeApproved, canFillSeat, maySee, situationOf } from './situation.ts'

/** Narrows what the actor may see anyway. */
export interface RequestFilter {
  /** As time has made it. */
  readonly state?: RequestState | undefined
  readonly subject?: string | undefined
  /** Only those in which the actor can fill an open seat. */
  readonly isToReview?: boolean | undefined
  /** 1 to 200 */
  readonly limit: number
  readonly cursor?: string | undefined
}

/** How many times rows are read for one page before it is given as it is. */
const mostReads = 20

/** The requests that the actor may see, newest first. Throws `invalid_cursor` for one of another list or filter. */
export async function listRequests(
  ctx: OperationContext,
  filter: RequestFilter,
): Promise<Page<RequestView>> {
  const list = listName(ctx, filter)
  const start = filter.cursor === undefined ? undefined : idOfCursor(list, filter.cursor)
  const now = ctx.clock.now()
  return ctx.database.read(async (db) => {
    const actor = await actorFacts(db, ctx)
    const catalog = await catalogInForce(db)
    const condition = and(couldBeShown(catalog, actor, filter), isFiltered(filter, now))
    const items: RequestView[] = []
    let before = start
    let isMore = true
    // SQL narrows to what could be shown; the rule itself, which knows policy, decides row by row
    for (let read = 0; isMore && items.length <= filter.limit && read < mostReads; read += 1) {
      const rows = await readBefore(db, condition, before, filter.limit + 1)
      isMore = rows.length > filter.limit
      before = rows.at(-1)?.id ?? before
      for (const facts of await loadFacts(db, ctx, catalog, rows.map(requestOf))) {
        const situation = situationOf(catalog, facts, now)
        const isShown =
          filter.isToReview === true
            ? canBeApproved(situation, now) && canFillSeat(catalog, situation, actor)
            : maySee(catalog, situation, actor)
        if (isShown) items.push(requestView(catalog, facts, now))
      }
    }
    const shown = items.slice(0, filter.limit)
    const last = items.length > filter.limit ? shown.at(-1)?.id : isMore ? before : undefined
    return { items: shown, nextCursor: last === undefined ? null : cursorOf(list, last) }
  })
}

function readBefore(
  db: Queryable,
  condition: SQL | undefined,
  before: string | undefined,
  limit: number,
) {
  const { id } = accessRequestTable
  return db
    .select()
    .from(accessRequestTable)
    .where(and(condition, before === undefined ? undefined : lt(id, before)))
    .orderBy(desc(id))
    .limit(limit)
}

/** A cursor belongs to one actor's list under one filter. */
function listName({ actor }: OperationContext, filter: RequestFilter): string {
  const { state, subject, isToReview } = filter
  const what = JSON.stringify([actor.id, state ?? null, subject ?? null, isToReview ?? false])
  return `requests.${createHash('sha256').update(what).digest('hex').slice(0, 16)}`
}

function isFiltered(filter: RequestFilter, now: Date): SQL | undefined {
  return and(
    filter.subject === undefined
      ? undefined
      : eq(accessRequestTable.subject, subjectIdOf(filter.subject)),
    filter.state === undefined ? undefined : isInState(filter.state, now),
    filter.isToReview === true
      ? or(isInState('pending', now), eq(accessRequestTable.afterReview, 'open'))
      : undefined,
  )
}

/** The same as `effectiveState(request, now) = state`, in SQL. */
function isInState(state: RequestState, now: Date): SQL {
  const { answerBy } = accessRequestTable
  const stored = accessRequestTable.state
  const at = sql`${now.toISOString()}::timestamptz`
  switch (state) {
    case 'pending':
      return sql`(${isStoredPending} and ${answerBy} > ${at})`
    case 'expired':
      return sql`(${stored} = 'expired' or (${isStoredPending} and ${answerBy} <= ${at}))`
    default:
      return sql`${stored} = ${state}`
  }
}

/** All rows that `maySee` or `canFillSeat` could say yes to, and some more. */
function couldBeShown(
  catalog: Catalog,
  actor: SubjectFacts,
  filter: RequestFilter,
): SQL | undefined {
  const { subject, resource, role, policy, id } = accessRequestTable
  const policies = policiesToReview(catalog, actor)
  const roles = policies.flatMap((policy) => policy.roles)
  const hasSeat = or(
    ...seatNames(catalog, actor).map(isSeatName),
    inArray(
      policy,
      policies.map(({ name }) => name),
    ),
    // another policy may match by now
    and(isStoredPending, inArray(role, roles)),
  )
  if (filter.isToReview === true) return hasSeat
  if (isAdmin(catalog, actor)) return undefined
  const accounts = [...accountsOf(catalog, actor.id)]
  const owned = [...catalog.resources.keys()].filter((name) => isOwner(catalog, name, actor))
  const reviewed = or(
    inArray(reviewTable.reviewer, accounts),
    inArray(reviewTable.person, accounts),
  )
  return or(
    hasSeat,
    inArray(subject, accounts),
    inArray(resource, owned),
    sql`${id} = any(array(select ${reviewTable.requestId} from ${reviewTable} where ${reviewed}))`,
  )
}

/** A condition that the index over seats answers. */
function isSeatName(name: string): SQL {
  return sql`${accessRequestTable.seats} @> ${JSON.stringify([{ from: [name] }])}::jsonb`
}

/** Under which names a recorded seat could mean this person. */
function seatNames(catalog: Catalog, actor: SubjectFacts): string[] {
  if (actor.kind !== 'person') return []
  const claims = actor.claimGroups.map((name) => `claim:${name}`)
  return [actor.id, ...groupsOf(catalog, actor), ...claims]
}

/** The policies in force that seat this person. */
function policiesToReview(catalog: Catalog, actor: SubjectFacts): readonly Policy[] {
  if (actor.kind !== 'person') return []
  return catalog.policies.filter(({ approval }) =>
    approval.some(({ from }) => isMember(catalog, from, actor)),
  )
}
