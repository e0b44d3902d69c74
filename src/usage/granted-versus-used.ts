import { type AskableRole, narrowerAsk, type Suggestion } from './narrower-ask.ts'

/** What the reports look at: from `from`, which belongs to it, to `to`, which is now. */
export interface Window {
  readonly from: Date
  readonly to: Date
}

/** One grant, and what is known of its use. */
export interface HeldGrant {
  readonly subject: string
  readonly resource: string
  readonly role: string
  readonly scopes: readonly string[]
  readonly startsAt: Date
  readonly endsAt: Date
  /** When it ended; the same as `endsAt` when nobody ended it before. */
  readonly heldUntil: Date
  /** Any use, whether a scope was named or not; null when none was ever seen. */
  readonly lastUsedAt: Date | null
  /** Scopes that were named by a use within the window. */
  readonly usedScopes: readonly string[]
  /** Reported, allowed events. */
  readonly allowedCount: number
}

/** A row of CONTRACTS §4: what one subject held of one role, and what of it was used. */
export interface UnusedPermission {
  readonly subject: string
  readonly resource: string
  readonly role: string
  readonly grantedScopes: readonly string[]
  readonly usedScopes: readonly string[]
  /** A scope that is in neither list is one that nothing is known about. */
  readonly unusedScopes: readonly string[]
  readonly grantCount: number
  /** Within the window; time held through two grants at once counts once. */
  readonly heldSeconds: number
  readonly useCount: number
  readonly lastUsedAt: Date | null
  readonly status: 'used' | 'partly_used' | 'unused' | 'no_data'
  readonly suggestion: Suggestion | null
}

/** The roles on the resource of a row that its subject could ask for. */
export type AskableRoles = (
  row: Pick<UnusedPermission, 'subject' | 'resource' | 'role'>,
) => readonly AskableRole[]

type ScopeState = 'used' | 'no_data' | 'unused'

/**
 * Compares what was granted with what was used (CONTRACTS §6), a row for each subject and role that was held at
 * any time in the window; sorted. `reporting` are the resources that told of any use in the window: of the others
 * nothing is called unused.
 */
export function grantedVersusUsed(
  grants: readonly HeldGrant[],
  reporting: ReadonlySet<string>,
  window: Window,
  askableRoles: AskableRoles,
): readonly UnusedPermission[] {
  const groups = new Map<string, HeldGrant[]>()
  for (const grant of grants) {
    if (!isHeldIn(grant, window)) continue
    const key = `${grant.subject}\0${grant.resource}\0${grant.role}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [grant])
    else group.push(grant)
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => rowOf(group, reporting, window, askableRoles))
}

function isHeldIn({ startsAt, heldUntil }: HeldGrant, { from, to }: Window): boolean {
  return startsAt < heldUntil && startsAt < to && heldUntil > from
}

function rowOf(
  grants: readonly HeldGrant[],
  reporting: ReadonlySet<string>,
  window: Window,
  askableRoles: AskableRoles,
): UnusedPermission {
  const [first] = grants
  if (first === undefined) throw new Error('a row is of at least one grant')
  const { subject, resource, role } = first
  const states = statesOf(grants, reporting.has(resource), window)
  const inState = (state: ScopeState) =>
    [...states].flatMap(([scope, its]) => (its === state ? [scope] : [])).sort()
  const grantedScopes = [...states.keys()].sort()
  const usedScopes = inState('used')
  const unusedScopes = inState('unused')
  return {
    subject,
    resource,
    role,
    grantedScopes,
    usedScopes,
    unusedScopes,
    grantCount: grants.length,
    heldSeconds: heldSecondsOf(grants, window),
    useCount: grants.reduce((sum, { allowedCount }) => sum + allowedCount, 0),
    lastUsedAt: latest(grants.map(({ lastUsedAt }) => lastUsedAt)),
    status: statusOf(grantedScopes, usedScopes, unusedScopes),
    suggestion: narrowerAsk(
      {
        role,
        grantedScopes,
        usedScopes,
        // what nothing is known about may have been needed
        neededScopes: grantedScopes.filter((scope) => states.get(scope) !== 'unused'),
        holdings: grants.map((grant) => holdingOf(grant, window)),
      },
      () => askableRoles({ subject, resource, role }),
    ),
  }
}

/** Used through any grant is used; else unknown through any is unknown. */
function statesOf(
  grants: readonly HeldGrant[],
  isReporting: boolean,
  window: Window,
): ReadonlyMap<string, ScopeState> {
  const states = new Map<string, ScopeState>()
  for (const grant of grants) {
    const otherwise = stateOfUnnamed(grant, isReporting, window)
    for (const scope of grant.scopes) {
      const state = grant.usedScopes.includes(scope) ? 'used' : otherwise
      const known = states.get(scope)
      if (known === undefined || known === 'unused' || state === 'used') states.set(scope, state)
    }
  }
  return states
}

/** What is to be said of the scopes of a grant that no use has named. */
function stateOfUnnamed(grant: HeldGrant, isReporting: boolean, window: Window): ScopeState {
  if (grant.usedScopes.length > 0) return 'unused'
  // it was used for something, and nobody said for what
  if (isUsedIn(grant, window)) return 'no_data'
  return isReporting ? 'unused' : 'no_data'
}

function isUsedIn({ lastUsedAt }: HeldGrant, { from }: Window): boolean {
  return lastUsedAt !== null && lastUsedAt >= from
}

/** `unused` is said only where it is known of everything. */
function statusOf(
  granted: readonly string[],
  used: readonly string[],
  unused: readonly string[],
): UnusedPermission['status'] {
  if (used.length === granted.length) return 'used'
  if (used.length > 0) return 'partly_used'
  return unused.length === granted.length ? 'unused' : 'no_data'
}

function holdingOf(grant: HeldGrant, window: Window) {
  const { startsAt, endsAt, heldUntil, lastUsedAt } = grant
  const isUsed = lastUsedAt !== null && isUsedIn(grant, window)
  return {
    grantedSeconds: secondsBetween(startsAt, endsAt),
    neededSeconds: isUsed ? secondsBetween(startsAt, lastUsedAt) : null,
    isOver: heldUntil <= window.to,
  }
}

function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, (to.getTime() - from.getTime()) / 1000)
}

function heldSecondsOf(grants: readonly HeldGrant[], { from, to }: Window): number {
  const spans = grants
    .map(({ startsAt, heldUntil }) => ({
      start: Math.max(startsAt.getTime(), from.getTime()),
      end: Math.min(heldUntil.getTime(), to.getTime()),
    }))
    .sort((a, b) => a.start - b.start)
  let held = 0
  let countedUntil = Number.NEGATIVE_INFINITY
  for (const { start, end } of spans) {
    held += Math.max(0, end - Math.max(start, countedUntil))
    countedUntil = Math.max(countedUntil, end)
  }
  return Math.floor(held / 1000)
}

function latest(instants: readonly (Date | null)[]): Date | null {
  let found: Date | null = null
  for (const at of instants) if (at !== null && (found === null || at > found)) found = at
  return found
}
