import type { SeenGrant, SeenPreview, SeenRequest } from './system.ts'

// biome-ignore lint/suspicious/noExplicitAny: what REST answers is compared, not typed
export type RestBody = any

/** Gives ids their place in the order in which they were made, at most one new of each kind a step. */
export class Names {
  readonly #requests: string[] = []
  readonly #grants: string[] = []

  request(id: string): number {
    return indexIn(this.#requests, id)
  }

  grant(id: string): number {
    return indexIn(this.#grants, id)
  }

  requestId(index: number): string {
    return idAt(this.#requests, index)
  }

  grantId(index: number): string {
    return idAt(this.#grants, index)
  }
}

function indexIn(ids: string[], id: string): number {
  const known = ids.indexOf(id)
  return known >= 0 ? known : ids.push(id) - 1
}

function idAt(ids: readonly string[], index: number): string {
  const id = ids[index]
  if (id === undefined) throw new Error(`number ${index} was never made`)
  return id
}

/** What a list of REST shows, oldest first. */
export function inOrder<T>(
  items: readonly RestBody[],
  index: (id: string) => number,
  see: (item: RestBody) => T,
): readonly T[] {
  return items
    .map((item) => ({ item, at: index(item.id) }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => see(item))
}

export function seenRequest(names: Names, body: RestBody): SeenRequest {
  return {
    state: body.state,
    subject: body.subject,
    resource: body.resource,
    role: body.role,
    scopes: body.scopes,
    requestedScopes: body.requested_scopes,
    durationSeconds: body.duration_seconds,
    requestedDurationSeconds: body.requested_duration_seconds,
    justification: body.justification,
    ticket: body.ticket,
    policy: body.policy,
    approval: body.approval.map((seat: RestBody) => ({
      from: seat.from,
      count: seat.count,
      approvedBy: seat.approved_by,
    })),
    eligibleReviewers: body.eligible_reviewers,
    reviews: body.reviews.map((review: RestBody) => ({
      reviewer: review.reviewer,
      verdict: review.verdict,
      scopes: review.scopes,
      durationSeconds: review.duration_seconds,
      at: Date.parse(review.at),
    })),
    commentCount: body.comments.length,
    grant: body.grant_id === null ? null : names.grant(body.grant_id),
    extendsGrant: body.extends_grant_id === null ? null : names.grant(body.extends_grant_id),
    isBreakGlass: body.is_break_glass,
    afterReview: body.after_review,
    version: body.version,
    createdAt: Date.parse(body.created_at),
    answerBy: Date.parse(body.answer_by),
    startsAt: instant(body.starts_at),
  }
}

export function seenGrant(names: Names, body: RestBody): SeenGrant {
  return {
    request: names.request(body.request_id),
    subject: body.subject,
    resource: body.resource,
    audience: body.audience,
    role: body.role,
    scopes: body.scopes,
    state: body.state,
    startsAt: Date.parse(body.starts_at),
    endsAt: Date.parse(body.ends_at),
    endedAt: instant(body.ended_at),
    endedBy: body.ended_by,
    endReason: body.end_reason,
  }
}

export function seenPreview(body: RestBody): SeenPreview {
  return {
    decision: body.decision,
    policy: body.policy,
    approval: body.approval,
    eligibleReviewers: body.eligible_reviewers,
    maxDurationSeconds: body.max_duration_seconds,
  }
}

function instant(text: string | null): number | null {
  return text === null ? null : Date.parse(text)
}
