/** What to ask for next time instead. */
export interface Suggestion {
  readonly role: string
  readonly scopes: readonly string[]
  readonly durationSeconds: number
}

/** A role that some policy lets the subject ask for. */
export interface AskableRole {
  readonly name: string
  readonly scopes: readonly string[]
  /** What the policy allows at most. */
  readonly maxDurationSeconds: number
}

/** One grant as far as time goes. */
interface Holding {
  readonly grantedSeconds: number
  /** From its start to its last use; null when no use was seen. */
  readonly neededSeconds: number | null
  readonly isOver: boolean
}

/** What was held of one role, and what of it was needed. */
interface PastUse {
  readonly role: string
  readonly grantedScopes: readonly string[]
  readonly usedScopes: readonly string[]
  /** What was used or may have been. */
  readonly neededScopes: readonly string[]
  readonly holdings: readonly Holding[]
}

const coveredShare = 0.95
/** People ask for quarters of an hour, and use comes a little later next time. */
const roundedToSeconds = 900

/**
 * The narrowest ask that would have done: the role on the resource with the fewest scopes that covers what was
 * needed, only the scopes needed, and the time that would have covered 95 % of the grants that were used, rounded
 * up. Null when nothing was used, or when that is no narrower than what was granted. While no used grant is over,
 * time alone is no reason: more use may come.
 */
export function narrowerAsk(
  past: PastUse,
  askableRoles: () => readonly AskableRole[],
): Suggestion | null {
  const { grantedScopes, usedScopes, neededScopes, holdings } = past
  const used = holdings.filter(({ neededSeconds }) => neededSeconds !== null)
  if (usedScopes.length === 0 || used.length === 0) return null
  const grantedSeconds = Math.floor(Math.max(...holdings.map((each) => each.grantedSeconds)))
  const durationSeconds = Math.min(grantedSeconds, coveringSeconds(used))
  const isShorter = durationSeconds < grantedSeconds && used.some(({ isOver }) => isOver)
  if (neededScopes.length === grantedScopes.length && !isShorter) return null
  const role = narrowestRole(past, durationSeconds, askableRoles())
  return role === undefined ? null : { role: role.name, scopes: neededScopes, durationSeconds }
}

function coveringSeconds(used: readonly Holding[]): number {
  const needed = used.map(({ neededSeconds }) => neededSeconds ?? 0).sort((a, b) => a - b)
  // nearest rank
  const covering = needed[Math.ceil(coveredShare * needed.length) - 1] ?? 0
  return Math.max(1, Math.ceil(covering / roundedToSeconds)) * roundedToSeconds
}

function narrowestRole(
  { role, neededScopes }: PastUse,
  durationSeconds: number,
  roles: readonly AskableRole[],
): AskableRole | undefined {
  const isCurrent = ({ name }: AskableRole) => (name === role ? 0 : 1)
  const [narrowest] = roles
    .filter(
      ({ scopes, maxDurationSeconds }) =>
        maxDurationSeconds >= durationSeconds &&
        neededScopes.every((scope) => scopes.includes(scope)),
    )
    .sort(
      (a, b) =>
        a.scopes.length - b.scopes.length ||
        isCurrent(a) - isCurrent(b) ||
        (a.name < b.name ? -1 : 1),
    )
  return narrowest
}
