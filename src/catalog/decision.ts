import type { Reason } from '../errors.ts'
import type { Policy, Role } from './catalog.ts'

/** Who would hold the access, as far as a decision needs to know. */
export interface SubjectFacts {
  /** `alice@example.com` or `workload:invoice-bot` */
  readonly id: string
  readonly kind: 'person' | 'workload'
  /** The identity provider's groups from a sign-in at most 24 h old, else empty. */
  readonly claimGroups: readonly string[]
}

/** What is asked for. */
export interface Ask {
  readonly role: string
  /** Undefined means all scopes of the role. */
  readonly scopes: readonly string[] | undefined
  /** For an extension: the whole time from the grant's start to the new end. */
  readonly durationSeconds: number
  readonly justification: string
  readonly ticket: string | undefined
  readonly startsAt: Date | undefined
  readonly isBreakGlass: boolean
  readonly isExtension: boolean
}

/** Why one policy did not decide, for `explain`. */
export interface PolicyTrail {
  readonly policy: string
  readonly outcome: 'skipped' | 'matched' | 'failed'
  readonly message: string
}

/**
 * What policy says to one ask. `allow` opens a grant at once, `review` waits for every seat, `deny` stores
 * nothing: `refusedAs` is then the error code.
 */
export interface Decision {
  readonly outcome: 'allow' | 'review' | 'deny'
  readonly refusedAs: 'not_eligible' | 'outside_policy' | undefined
  /** The policy that matched, also when its limits refuse. */
  readonly policy: Policy | undefined
  readonly role: Role | undefined
  /** The scopes asked for, in the role's order; empty when denied. */
  readonly scopes: readonly string[]
  readonly reasons: readonly Reason[]
  readonly trail: readonly PolicyTrail[]
}
