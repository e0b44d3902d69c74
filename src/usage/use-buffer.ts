/** First and last of several instants, in milliseconds since the epoch. */
export interface Span {
  first: number
  last: number
}

/** All that was observed of one grant since it was last written. */
export interface GrantUse {
  readonly grantId: string
  minted: Span | undefined
  /** Any use, whether a scope was named or not. */
  used: Span | undefined
  readonly scopes: Map<string, Span>
}

/** Observations on their way to the database, merged as they come: a thousand uses of one scope are one entry. */
export interface UseBuffer {
  /** How many rows it would write: one a grant and one a named scope. */
  readonly size: number
  /** Observations that found no room; never falls. */
  readonly lostCount: number
  addMint(grantId: string, at: number): void
  addUse(grantId: string, scope: string | undefined, at: number): void
  /** Takes about `count` entries out, whole grants, those that came first first. */
  take(count: number): readonly GrantUse[]
  /** Takes a batch back that could not be written. Always finds room: it was counted before. */
  putBack(uses: readonly GrantUse[]): void
  /** Gives a batch up. */
  drop(uses: readonly GrantUse[]): void
}

/** Holds at most `maxEntries`; what is known already is always brought up to date, what is new is then lost. */
export function createUseBuffer(maxEntries: number): UseBuffer {
  const grants = new Map<string, GrantUse>()
  let size = 0
  let lostCount = 0

  const grantOf = (grantId: string, isForced: boolean): GrantUse | undefined => {
    const known = grants.get(grantId)
    if (known !== undefined) return known
    if (size >= maxEntries && !isForced) return undefined
    const grant: GrantUse = { grantId, minted: undefined, used: undefined, scopes: new Map() }
    grants.set(grantId, grant)
    size += 1
    return grant
  }
  const addScope = (grant: GrantUse, scope: string, span: Span, isForced: boolean): boolean => {
    const known = grant.scopes.get(scope)
    if (known === undefined && size >= maxEntries && !isForced) return false
    if (known === undefined) size += 1
    grant.scopes.set(scope, widened(known, span))
    return true
  }
  return {
    get size() {
      return size
    },
    get lostCount() {
      return lostCount
    },
    addMint: (grantId, at) => {
      const grant = grantOf(grantId, false)
      if (grant === undefined) lostCount += 1
      else grant.minted = widened(grant.minted, { first: at, last: at })
    },
    addUse: (grantId, scope, at) => {
      const span = { first: at, last: at }
      const grant = grantOf(grantId, false)
      if (grant !== undefined) grant.used = widened(grant.used, span)
      const isKept =
        grant !== undefined && (scope === undefined || addScope(grant, scope, span, false))
      if (!isKept) lostCount += 1
    },
    take: (count) => {
      const taken: GrantUse[] = []
      let entries = 0
      for (const [grantId, grant] of grants) {
        if (entries >= count) break
        grants.delete(grantId)
        entries += entriesOf(grant)
        taken.push(grant)
      }
      size -= entries
      return taken
    },
    putBack: (uses) => {
      for (const { grantId, minted, used, scopes } of uses) {
        const grant = grantOf(grantId, true)
        if (grant === undefined) continue
        if (minted !== undefined) grant.minted = widened(grant.minted, minted)
        if (used !== undefined) grant.used = widened(grant.used, used)
        for (const [scope, span] of scopes) addScope(grant, scope, span, true)
      }
    },
    drop: (uses) => {
      lostCount += uses.reduce((sum, use) => sum + entriesOf(use), 0)
    },
  }
}

/** How many rows an observed grant is. */
export function entriesOf({ scopes }: GrantUse): number {
  return 1 + scopes.size
}

function widened(known: Span | undefined, { first, last }: Span): Span {
  if (known === undefined) return { first, last }
  return { first: Math.min(known.first, first), last: Math.max(known.last, last) }
}
