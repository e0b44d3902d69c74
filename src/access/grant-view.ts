import { eq, type SQL, sql } from 'drizzle-orm'
import type { Queryable } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { effectiveState, type Grant, type GrantState, isFinal } from './grant.ts'

/** A grant as CONTRACTS §4 shows it. */
export interface GrantView {
  readonly id: string
  readonly requestId: string
  readonly subject: string
  readonly resource: string
  readonly audience: string
  readonly role: string
  readonly scopes: readonly string[]
  /** As time has made it, whatever jobs have run. */
  readonly state: GrantState
  readonly startsAt: Date
  readonly endsAt: Date
  readonly endedAt: Date | null
  readonly endedBy: string | null
  readonly endReason: string | null
  readonly lastUsedAt: Date | null
}

/** When the grant of the row was last used; null for one that never was. */
export const lastUsedAtColumn: SQL<Date | null> =
  sql`(select last_used_at from grant_usage where grant_id = ${accessGrantTable.id})`.mapWith(
    accessGrantTable.endsAt,
  )

/** Renders a grant at `now`: one whose time ran out reads the same before and after the job that stores it. */
export function grantView(grant: Grant, lastUsedAt: Date | null, now: Date): GrantView {
  const state = effectiveState(grant, now)
  return {
    id: grant.id,
    requestId: grant.requestId,
    subject: grant.subject,
    resource: grant.resource,
    audience: grant.audience,
    role: grant.role,
    scopes: grant.scopes,
    state,
    startsAt: grant.startsAt,
    endsAt: grant.endsAt,
    endedAt: state === 'expired' && !isFinal(grant.state) ? grant.endsAt : grant.endedAt,
    endedBy: grant.endedBy,
    endReason: grant.endReason,
    lastUsedAt,
  }
}

/** The view of a grant that is at hand already. */
export async function viewGrant(db: Queryable, grant: Grant, now: Date): Promise<GrantView> {
  const [row] = await db
    .select({ lastUsedAt: lastUsedAtColumn })
    .from(accessGrantTable)
    .where(eq(accessGrantTable.id, grant.id))
  return grantView(grant, row?.lastUsedAt ?? null, now)
}
