import type { SubjectFacts } from '../catalog/index.ts'

/** Facts of a subject, and whether an admin disabled it. */
export interface KnownSubject extends SubjectFacts {
  readonly isDisabled: boolean
}

/** What is stored of a subject, as far as facts need it. */
export interface SubjectRow {
  readonly id: string
  readonly isDisabled: boolean
  readonly claimGroups: readonly string[]
  readonly claimsAt: Date | null
}

/** A provider's groups count from a sign-in at most this old (CONTRACTS §1, "Membership"). */
export const claimsLastMilliseconds = 24 * 60 * 60 * 1000

const workloadPrefix = 'workload:'

/** A workload is known by its prefix; everything else is a person. */
export function subjectKind(id: string): SubjectFacts['kind'] {
  return id.startsWith(workloadPrefix) ? 'workload' : 'person'
}

/** Facts of a stored subject at `now`; claims from an older sign-in are left out. */
export function factsOf(row: SubjectRow, now: Date): KnownSubject {
  const isFresh =
    row.claimsAt !== null && now.getTime() - row.claimsAt.getTime() <= claimsLastMilliseconds
  return {
    id: row.id,
    kind: subjectKind(row.id),
    claimGroups: isFresh ? row.claimGroups : [],
    isDisabled: row.isDisabled,
  }
}

/** Facts of a subject that never signed in and was never named. */
export function unknownSubject(id: string): KnownSubject {
  return { id, kind: subjectKind(id), claimGroups: [], isDisabled: false }
}
