import { type Catalog, catalogInForce } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import { HallpassError } from '../errors.ts'
import { actorFacts, type KnownSubject, knownSubjects } from '../identity/index.ts'
import { askableRolesUnder } from './askable-roles.ts'
import { grantedVersusUsed, type UnusedPermission, type Window } from './granted-versus-used.ts'
import { type HeldGrantFilter, readHeldGrants, readReportingResources } from './read-held-grants.ts'
import { type ReportVisibility, visibleRows } from './report-visibility.ts'

export const defaultWindowDays = 90
const longestWindowDays = 365
const dayMilliseconds = 24 * 60 * 60 * 1000

/** Narrows what the actor may see anyway. */
export interface UnusedPermissionFilter {
  /** 1 to 365; 90 when not given. */
  readonly windowDays?: number | undefined
  readonly subject?: string | undefined
  readonly resource?: string | undefined
}

/** Who held what in the last days, and what of it was used; by subject, resource and role. */
export interface UnusedPermissionReport {
  readonly items: readonly UnusedPermission[]
  readonly windowDays: number
  readonly generatedAt: Date
}

/** The rows that the actor may see: never a refusal, only fewer rows. Throws `invalid_input` for an odd window. */
export async function reportUnusedPermissions(
  ctx: OperationContext,
  filter: UnusedPermissionFilter = {},
): Promise<UnusedPermissionReport> {
  const { windowDays = defaultWindowDays, subject, resource } = filter
  requireWindowDays(windowDays)
  const generatedAt = ctx.clock.now()
  return ctx.database.read(async (db) => {
    const catalog = await catalogInForce(db)
    const visibility = await visibilityOf(db, ctx, catalog)
    const subjects = subject === undefined ? undefined : [subject]
    const held = { visibility, subjects, resource }
    const items = await unusedPermissions(db, ctx, catalog, windowOf(generatedAt, windowDays), held)
    return { items, windowDays, generatedAt }
  })
}

/** The rows for some grants, judged under this catalog. */
export async function unusedPermissions(
  db: Queryable,
  ctx: Pick<OperationContext, 'clock'>,
  catalog: Catalog,
  window: Window,
  filter: HeldGrantFilter,
): Promise<readonly UnusedPermission[]> {
  const grants = await readHeldGrants(db, window, filter)
  const reporting = await readReportingResources(db, window)
  const subjects = await factsOf(db, ctx, [...new Set(grants.map(({ subject }) => subject))])
  const askable = askableRolesUnder(catalog)
  return grantedVersusUsed(grants, reporting, window, ({ subject, resource, role }) => {
    const facts = subjects.get(subject)
    return facts === undefined ? [] : askable(facts, resource, role)
  })
}

/** The last so many days, up to now. */
export function windowOf(now: Date, windowDays: number): Window {
  return { from: new Date(now.getTime() - windowDays * dayMilliseconds), to: now }
}

function requireWindowDays(windowDays: number): void {
  if (Number.isInteger(windowDays) && windowDays >= 1 && windowDays <= longestWindowDays) return
  const message = `must be a whole number of days from 1 to ${longestWindowDays}`
  throw new HallpassError('invalid_input', `The window ${message}.`, {
    errors: [{ pointer: '/window_days', message }],
  })
}

async function visibilityOf(
  db: Queryable,
  ctx: OperationContext,
  catalog: Catalog,
): Promise<ReportVisibility> {
  if (ctx.actor.kind === 'job' || ctx.actor.kind === 'operator') return { kind: 'everything' }
  return visibleRows(catalog, await actorFacts(db, ctx))
}

const subjectsAtOnce = 5_000

/** A statement takes so many values and no more. */
async function factsOf(
  db: Queryable,
  ctx: Pick<OperationContext, 'clock'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, KnownSubject>> {
  const facts = new Map<string, KnownSubject>()
  for (let start = 0; start < ids.length; start += subjectsAtOnce) {
    const known = await knownSubjects(db, ctx, ids.slice(start, start + subjectsAtOnce))
    for (const [id, subject] of known) facts.set(id, subject)
  }
  return facts
}
