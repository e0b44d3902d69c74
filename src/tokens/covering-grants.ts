/** A grant, as far as choosing one needs. */
export interface CoveringGrant {
  readonly id: string
  readonly scopes: readonly string[]
  readonly endsAt: Date
}

/**
 * The grants that have all of these scopes, best first: the fewest scopes, then the latest end, then the oldest
 * grant. So a client that names no grant gets no more than it needs, for as long as it can.
 */
export function coveringGrants(
  grants: readonly CoveringGrant[],
  scopes: readonly string[],
): readonly CoveringGrant[] {
  return grants
    .filter((grant) => scopes.every((scope) => grant.scopes.includes(scope)))
    .sort(
      (left, right) =>
        left.scopes.length - right.scopes.length ||
        right.endsAt.getTime() - left.endsAt.getTime() ||
        (left.id < right.id ? -1 : 1),
    )
}
