import { eq } from 'drizzle-orm'
import { type Catalog, humanOf } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { type EventFacts, type EventType, emitEvent } from '../notify/index.ts'
import type { AccessRequest } from './request.ts'
import { eligibleReviewers, policyNamed, type RequestFacts, situationOf } from './situation.ts'

export type RequestEventType = Extract<EventType, `request.${string}`> | 'break_glass.reviewed'

/**
 * Tells those who listen what became of a request, with the ids and facts that a notifier needs to choose whom
 * it tells. What people wrote (justification, comments) stays out: it is read where rights are checked.
 * Everything about an extension is told in the order of the request that opened the grant.
 */
export async function emitRequestEvent(
  tx: Transaction,
  ctx: Pick<OperationContext, 'actor' | 'clock' | 'ids' | 'wakeOutbox'>,
  type: RequestEventType,
  request: AccessRequest,
  orderKey: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await emitEvent(tx, ctx, requestEvent(ctx, type, request, orderKey, more))
}

/** What such an event says, for an act that emits it beside others. */
export function requestEvent(
  ctx: Pick<OperationContext, 'actor'>,
  type: RequestEventType,
  request: AccessRequest,
  orderKey: string,
  more: Readonly<Record<string, unknown>> = {},
): EventFacts {
  return {
    type,
    orderKey,
    data: {
      request_id: request.id,
      subject: request.subject,
      resource: request.resource,
      role: request.role,
      scopes: request.scopes,
      duration_seconds: request.durationSeconds,
      state: request.state,
      policy: request.policy,
      is_break_glass: request.isBreakGlass,
      after_review: request.afterReview,
      review_by: request.reviewBy?.toISOString() ?? null,
      extends_grant_id: request.extendsGrantId,
      grant_id: request.grantId,
      starts_at: request.startsAt?.toISOString() ?? null,
      answer_by: request.answerBy.toISOString(),
      version: request.version,
      actor: { kind: ctx.actor.kind, id: ctx.actor.id, via: ctx.actor.via },
      ...more,
    },
  }
}

/** Whom to ask, and in which channel: for events that reviewers should see. */
export function audienceOf(
  catalog: Catalog,
  facts: RequestFacts,
  now: Date,
): { readonly [name: string]: unknown } {
  const situation = situationOf(catalog, facts, now)
  const channel = policyNamed(catalog, facts.request.policy)?.slackChannel
  return {
    human: humanOf(catalog, facts.request.subject),
    eligible_reviewers: eligibleReviewers(catalog, situation, now),
    slack_channel: channel ?? null,
    security_channel: facts.request.isBreakGlass ? (catalog.securityChannel ?? null) : null,
  }
}

/** The key that orders the events of a request. */
export function orderKeyOf({
  request,
  extended,
}: Pick<RequestFacts, 'request' | 'extended'>): string {
  return extended?.requestId ?? request.id
}

/** The same for a request whose grant was not loaded. */
export async function readOrderKey(
  db: Queryable,
  request: Pick<AccessRequest, 'id' | 'extendsGrantId'>,
): Promise<string> {
  if (request.extendsGrantId === null) return request.id
  const [grant] = await db
    .select({ requestId: accessGrantTable.requestId })
    .from(accessGrantTable)
    .where(eq(accessGrantTable.id, request.extendsGrantId))
  return grant?.requestId ?? request.id
}
