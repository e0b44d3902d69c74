import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import {
  type Ask,
  accountsOf,
  type Catalog,
  catalogInForce,
  decide,
  humanOf,
  type SubjectFacts,
} from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { lockActorFacts } from '../identity/index.ts'
import { operate, requireTrustedClock } from '../operation.ts'
import { type AskInput, readAsk, refuseFaults, startTimeFault } from './ask-input.ts'
import {
  alreadyPending,
  breakGlassUnreviewed,
  deniedBy,
  reportNoReviewer,
  requireReviewers,
} from './ask-refusals.ts'
import { draftRequest, type Granting, isGranting } from './draft-request.ts'
import { lapseRequest } from './lapse-request.ts'
import { isStoredPending, loadFacts, requestOf } from './load-request.ts'
import { type AccessRequest, effectiveState } from './request.ts'
import { type RequestView, requestView } from './request-view.ts'
import { lockResource } from './resource-lock.ts'
import { storeDraft } from './store-draft.ts'

/** The request, and whether this ask made it: the same ask while one is pending gives the first. */
export interface SubmittedRequest {
  readonly request: RequestView
  readonly isNew: boolean
}

/**
 * Asks for a role for the actor itself, person or workload. Decided by the first policy that matches: opens a
 * grant at once (`allow`, break-glass), or waits for its reviewers. Throws `invalid_input`, `not_eligible`,
 * `outside_policy` with reasons, `already_pending`, `no_reviewer`, `break_glass_unreviewed`.
 */
export async function submitRequest(
  ctx: OperationContext,
  input: AskInput,
): Promise<SubmittedRequest> {
  requireTrustedClock(ctx)
  const ask = readAsk(input)
  try {
    return await operate(ctx, 'submit-request', (tx) => submit(tx, ctx, ask))
  } catch (error) {
    await reportNoReviewer(ctx, error)
    throw error
  }
}

async function submit(tx: Transaction, ctx: OperationContext, ask: Ask): Promise<SubmittedRequest> {
  const subject = await lockActorFacts(tx, ctx)
  const catalog = await catalogInForce(tx.db)
  const now = ctx.clock.now()
  refuseFaults([startTimeFault(ask.startsAt, now)])
  const decision = decide(catalog, subject, ask, now)
  if (!isGranting(decision)) {
    const resource = decision.role?.resource
    // only names that the catalog knows: what else was typed may be a secret in the wrong field
    const details = { role: decision.role?.name ?? null }
    throw deniedBy(decision, { subject: subject.id, resource, details })
  }
  if (decision.outcome === 'allow') await lockResource(tx, decision.role.resource, 'share')
  const first = ask.isBreakGlass
    ? await refuseSecondEmergency(tx, catalog, subject)
    : await firstPending(tx, ctx, subject, ask, decision, now)
  if (first !== undefined) {
    const [facts] = await loadFacts(tx.db, ctx, catalog, [first])
    if (facts !== undefined) return { request: requestView(catalog, facts, now), isNew: false }
  }
  const draft = await draftRequest(tx.db, ctx, catalog, subject, ask, decision, now)
  requireReviewers(catalog, draft, now)
  const stored = await storeDraft(tx, ctx, catalog, draft, decision, now)
  // two asks at once: the one that came second waited for the first and finds it now
  if (stored === undefined) return submit(tx, ctx, ask)
  return { request: requestView(catalog, stored, now), isNew: true }
}

/** The pending request that this ask repeats, if there is one. Throws `already_pending` for any other. */
async function firstPending(
  tx: Transaction,
  ctx: OperationContext,
  subject: SubjectFacts,
  ask: Ask,
  decision: Granting,
  now: Date,
): Promise<AccessRequest | undefined> {
  const [row] = await tx.db
    .select()
    .from(accessRequestTable)
    .where(
      and(
        eq(accessRequestTable.subject, subject.id),
        eq(accessRequestTable.role, decision.role.name),
        isStoredPending,
        isNull(accessRequestTable.extendsGrantId),
      ),
    )
    .for('update')
  if (row === undefined) return undefined
  const pending = requestOf(row)
  if (effectiveState(pending, now) === 'expired') {
    await lapseRequest(tx, ctx, pending, now)
    return undefined
  }
  if (!isSameAsk(pending, ask, decision)) throw alreadyPending(pending)
  return pending
}

function isSameAsk(pending: AccessRequest, ask: Ask, decision: Granting): boolean {
  const scopes = new Set(pending.requestedScopes)
  return (
    pending.requestedDurationSeconds === ask.durationSeconds &&
    pending.startsAt?.getTime() === ask.startsAt?.getTime() &&
    scopes.size === decision.scopes.length &&
    decision.scopes.every((scope) => scopes.has(scope))
  )
}

async function refuseSecondEmergency(
  tx: Transaction,
  catalog: Catalog,
  subject: SubjectFacts,
): Promise<undefined> {
  // two accounts of one human have a row each: only this lets one wait for the other
  const human = `emergency:${humanOf(catalog, subject.id)}`
  await tx.db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${human}, 0))`)
  const open = await openEmergency(tx.db, catalog, subject)
  if (open !== undefined) throw breakGlassUnreviewed(open)
}

/** The emergency of this human, under any account, that nobody has reviewed. */
export async function openEmergency(
  db: Queryable,
  catalog: Catalog,
  subject: SubjectFacts,
): Promise<AccessRequest | undefined> {
  const [row] = await db
    .select()
    .from(accessRequestTable)
    .where(
      and(
        inArray(accessRequestTable.subject, [...accountsOf(catalog, subject.id)]),
        eq(accessRequestTable.afterReview, 'open'),
      ),
    )
  return row === undefined ? undefined : requestOf(row)
}
