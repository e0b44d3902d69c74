import { and, eq, gt, gte, inArray, lt, or, type SQL, sql } from 'drizzle-orm'
import { encodeTime } from 'ulid'
import type { Queryable } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import {
  grantScopeUsageTable,
  grantUsageTable,
  resourceEvidenceTable,
} from '../database/schema/usage.ts'
import type { HeldGrant, Window } from './granted-versus-used.ts'
import type { ReportVisibility } from './report-visibility.ts'

const grant = accessGrantTable
const dayMilliseconds = 24 * 60 * 60 * 1000
/** A grant starts at most 30 days after it was made and lasts at most 30 (CONTRACTS §1). */
const longestLifeMilliseconds = 61 * dayMilliseconds

/** Which grants a report is about. What narrows never widens what may be seen. */
export interface HeldGrantFilter {
  readonly visibility: ReportVisibility
  readonly subjects?: readonly string[] | undefined
  readonly resource?: string | undefined
}

/** The grants that were held at any time in the window, from roll-ups alone: one query, however many there are. */
export async function readHeldGrants(
  db: Queryable,
  window: Window,
  { visibility, subjects, resource }: HeldGrantFilter,
): Promise<readonly HeldGrant[]> {
  const scope = grantScopeUsageTable.scope
  return db
    .select({
      subject: grant.subject,
      resource: grant.resource,
      role: grant.role,
      scopes: grant.scopes,
      startsAt: grant.startsAt,
      endsAt: grant.endsAt,
      heldUntil: sql`coalesce(${grant.endedAt}, ${grant.endsAt})`.mapWith(grant.endsAt),
      lastUsedAt: grantUsageTable.lastUsedAt,
      usedScopes: sql<
        string[]
      >`coalesce(array_agg(${scope}) filter (where ${scope} is not null), '{}')`,
      allowedCount: sql<number>`coalesce(${grantUsageTable.allowedCount}, 0)::float8`,
    })
    .from(grant)
    .leftJoin(grantUsageTable, eq(grantUsageTable.grantId, grant.id))
    .leftJoin(
      grantScopeUsageTable,
      and(
        eq(grantScopeUsageTable.grantId, grant.id),
        gte(grantScopeUsageTable.lastUsedAt, window.from),
      ),
    )
    .where(
      and(
        isHeldIn(window),
        isVisible(visibility),
        subjects === undefined ? undefined : inArray(grant.subject, [...subjects]),
        resource === undefined ? undefined : eq(grant.resource, resource),
      ),
    )
    .groupBy(grant.id, grantUsageTable.grantId)
}

/** The next subjects in order, after `after`, that held anything in the window. */
export async function readHolders(
  db: Queryable,
  window: Window,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await db
    .selectDistinct({ subject: grant.subject })
    .from(grant)
    .where(and(isHeldIn(window), gt(grant.subject, after)))
    .orderBy(grant.subject)
    .limit(limit)
  return rows.map(({ subject }) => subject)
}

/** The resources that told of any use in the window. Read after the grants, so that none of their uses is missed. */
export async function readReportingResources(
  db: Queryable,
  window: Window,
): Promise<ReadonlySet<string>> {
  const rows = await db
    .select({ resource: resourceEvidenceTable.resource })
    .from(resourceEvidenceTable)
    .where(gte(resourceEvidenceTable.lastSeenAt, window.from))
  return new Set(rows.map(({ resource }) => resource))
}

function isHeldIn({ from, to }: Window): SQL | undefined {
  // ids sort by time, so what can have been held is a range of the primary key
  const earliest = Math.max(0, from.getTime() - longestLifeMilliseconds)
  return and(
    gt(grant.id, `grt_${encodeTime(earliest, 10)}`),
    lt(grant.startsAt, to),
    sql`coalesce(${grant.endedAt}, ${grant.endsAt}) > ${from.toISOString()}::timestamptz`,
  )
}

function isVisible(visibility: ReportVisibility): SQL | undefined {
  if (visibility.kind === 'everything') return undefined
  return or(
    inArray(grant.subject, [...visibility.subjects]),
    inArray(grant.resource, [...visibility.resources]),
  )
}
