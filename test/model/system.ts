import type { Action } from './actions.ts'

/** A request as an admin sees it, ids replaced by the order of making and instants by milliseconds. */
export interface SeenRequest {
  readonly state: string
  readonly subject: string
  readonly resource: string
  readonly role: string
  readonly scopes: readonly string[]
  readonly requestedScopes: readonly string[]
  readonly durationSeconds: number
  readonly requestedDurationSeconds: number
  readonly justification: string
  readonly ticket: string | null
  readonly policy: string
  readonly approval: readonly {
    readonly from: readonly string[]
    readonly count: number
    readonly approvedBy: readonly string[]
  }[]
  readonly eligibleReviewers: readonly string[]
  readonly reviews: readonly {
    readonly reviewer: string
    readonly verdict: string
    readonly scopes: readonly string[] | null
    readonly durationSeconds: number | null
    readonly at: number
  }[]
  readonly commentCount: number
  readonly grant: number | null
  readonly extendsGrant: number | null
  readonly isBreakGlass: boolean
  readonly afterReview: string | null
  readonly version: number
  readonly createdAt: number
  readonly answerBy: number
  readonly startsAt: number | null
}

export interface SeenGrant {
  readonly request: number
  readonly subject: string
  readonly resource: string
  readonly audience: string
  readonly role: string
  readonly scopes: readonly string[]
  readonly state: string
  readonly startsAt: number
  readonly endsAt: number
  readonly endedAt: number | null
  readonly endedBy: string | null
  readonly endReason: string | null
}

export interface SeenPreview {
  readonly decision: string
  readonly policy: string | null
  readonly approval: readonly { readonly from: readonly string[]; readonly count: number }[]
  readonly eligibleReviewers: readonly string[]
  readonly maxDurationSeconds: number | null
}

export interface SeenToken {
  readonly scopes: readonly string[]
  readonly expiresInSeconds: number
}

/** What one act was answered: `ok`, or the code of the refusal. */
export interface Outcome {
  readonly code: string
  /** Of an ask: whether it made a request, and which it is. */
  readonly isNew?: boolean
  readonly request?: number
  /** Named by a refusal, for instance the request that is pending already. */
  readonly namedRequest?: number
  readonly preview?: SeenPreview
  readonly token?: SeenToken
  readonly isTokenActive?: boolean
  readonly grantsRevoked?: number
  /** Of a look: everything this actor may see and review. */
  readonly visible?: {
    readonly requests: readonly number[]
    readonly toReview: readonly number[]
    readonly grants: readonly number[]
  }
}

/** One entry of the audit log, as far as the model predicts it. */
export interface SeenEntry {
  readonly outcome: string
  readonly code: string | null
  readonly actor: string
  readonly subject: string | null
  readonly resource: string | null
  readonly request: number | null
  readonly grant: number | null
}

/** One event of the outbox. `key` orders it: `request 3`, or what the event is about. */
export interface SeenEvent {
  readonly type: string
  readonly key: string
}

/** What is tested against the model. */
export interface System {
  perform(action: Action): Promise<Outcome>
  requests(): Promise<readonly SeenRequest[]>
  grants(): Promise<readonly SeenGrant[]>
  /** What was written since the last call; undefined where nothing keeps it. */
  written(): Promise<
    { readonly entries: readonly SeenEntry[]; readonly events: readonly SeenEvent[] } | undefined
  >
}
