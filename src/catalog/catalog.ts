/**
 * A checked catalog: everything that may be asked for, and the rules. Names were resolved by the check, so
 * every reference here is good. Durations are whole seconds.
 */
export interface Catalog {
  /** The stored version; 0 for a catalog that was checked but not applied. */
  readonly version: number
  /** Subject id → the id that stands for the human behind it (the key of `people`). Only for aliases and keys. */
  readonly humans: ReadonlyMap<string, string>
  readonly groups: ReadonlyMap<string, Group>
  readonly admins: readonly MemberReference[]
  readonly securityChannel: string | undefined
  readonly workloads: ReadonlyMap<string, Workload>
  readonly clients: ReadonlyMap<string, DeviceClient>
  readonly resources: ReadonlyMap<string, Resource>
  readonly roles: ReadonlyMap<string, Role>
  /** In file order: the first that matches decides. */
  readonly policies: readonly Policy[]
}

/** What may stand in a list of members, requesters or reviewers. */
export type MemberReference =
  | { readonly kind: 'person'; readonly id: string }
  | { readonly kind: 'workload'; readonly name: string }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'claim'; readonly name: string }

export interface Group {
  readonly name: string
  readonly members: readonly MemberReference[]
}

export interface Workload {
  readonly name: string
  /** The group whose members own it: they may not review its requests. */
  readonly owner: string
  readonly proof: WorkloadProof | undefined
}

export type WorkloadProof =
  | { readonly kind: 'jwks'; readonly keys: readonly Readonly<Record<string, unknown>>[] }
  | { readonly kind: 'jwks_uri'; readonly uri: string }
  | {
      readonly kind: 'federation'
      readonly issuer: string
      readonly subject: string
      readonly audience: string
    }

export interface DeviceClient {
  readonly name: string
  readonly title: string
}

export type Sensitivity = 'low' | 'medium' | 'high'

export interface Resource {
  readonly name: string
  readonly title: string
  readonly audience: string
  readonly owner: string
  readonly sensitivity: Sensitivity
  /** Scope → what it means, in file order. */
  readonly scopes: ReadonlyMap<string, string>
  readonly recordObjects: 'hashed' | 'clear'
  readonly whenCutOff: 'refuse' | 'accept_until_expiry'
  readonly thresholds: Thresholds | undefined
}

export interface Thresholds {
  readonly deniedPerHour: number | undefined
  readonly callsPerMinute: number | undefined
  readonly bytesOutPerHour: number | undefined
  readonly onCross: 'alert' | 'suspend'
}

export interface Role {
  readonly name: string
  readonly resource: string
  readonly scopes: readonly string[]
}

/** So many distinct people from any of these groups (or named people). */
export interface Seat {
  readonly from: readonly MemberReference[]
  readonly count: number
}

export interface Policy {
  readonly name: string
  readonly roles: readonly string[]
  readonly requesters: readonly MemberReference[]
  readonly maxDurationSeconds: number
  readonly defaultDurationSeconds: number
  readonly tokenLifetimeSeconds: number
  readonly answerWithinSeconds: number
  readonly justification: { readonly minLength: number; readonly ticket: Pattern | undefined }
  readonly when: Condition | undefined
  readonly autoApprove: Condition | undefined
  readonly approveIn: 'anywhere' | 'browser'
  readonly slackChannel: string | undefined
  /** Empty means: no approval is needed, as the file says explicitly. */
  readonly approval: readonly Seat[]
  /** Set for an emergency policy, considered only when the request is break-glass. */
  readonly breakGlass: { readonly reviewWithinSeconds: number } | undefined
  readonly proof: 'bearer' | 'dpop'
  readonly deviceFlow: 'allow' | 'refuse'
  readonly shrink: { readonly unusedAfterSeconds: number; readonly workloads: boolean } | undefined
}

/** A pattern that matches in linear time. */
export interface Pattern {
  readonly source: string
  test(text: string): boolean
}

/** A CEL expression that type-checked to a boolean. `evaluate` throws when it fails. */
export interface Condition {
  readonly source: string
  evaluate(facts: ConditionFacts): boolean
}

/** The variables of CONTRACTS §1. */
export interface ConditionFacts {
  readonly subject: {
    readonly id: string
    readonly kind: 'person' | 'workload'
    readonly groups: readonly string[]
  }
  readonly request: {
    readonly role: string
    readonly resource: string
    readonly scopes: readonly string[]
    readonly durationSeconds: number
    readonly justification: string
    readonly ticket: string
    readonly startsAt: Date
    readonly isExtension: boolean
  }
  readonly resource: { readonly name: string; readonly sensitivity: Sensitivity }
  readonly now: Date
}
