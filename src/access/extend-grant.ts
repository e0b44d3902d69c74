import { and, eq } from 'drizzle-orm'
import {
  type Ask,
  type Catalog,
  catalogInForce,
  decide,
  type SubjectFacts,
} from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Transaction } from '../database/index.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { HallpassError } from '../errors.ts'
import { lockActorFacts } from '../identity/index.ts'
import { operate, requireTrustedClock } from '../operation.ts'
import { durationFault, purposeFaults, refuseFaults } from './ask-input.ts'
import { alreadyPending, deniedBy, reportNoReviewer, requireReviewers } from './ask-refusals.ts'
import { draftRequest, isGranting } from './draft-request.ts'
import { tidyText } from './free-text.ts'
import type { Grant } from './grant.ts'
import { grantFacts, grantNotFound, requireMove } from './grant-refusals.ts'
import { rightsOver } from './grant-rights.ts'
import { lapseRequest } from './lapse-request.ts'
import { isStoredPending, loadFacts, requestOf } from './load-request.ts'
import { lockGrant } from './lock-grant.ts'
import { type AccessRequest, effectiveState } from './request.ts'
import { requestView } from './request-view.ts'
import { lockResource } from './resource-lock.ts'
import { storeDraft } from './store-draft.ts'
import type { SubmittedRequest } from './submit-request.ts'

/** `durationSeconds` is added to the grant's end. */
export interface ExtendGrantInput {
  readonly grantId: string
  readonly durationSeconds: number
  readonly justification: string
  readonly ticket?: string | undefined
}

/**
 * Asks for more time of a grant that the actor holds. Policy decides on the whole time, from the grant's start to
 * the new end. Throws `not_found`, `not_holder`, `grant_ended`, `already_pending` (one extension at a time),
 * `outside_policy` (also for an emergency's grant, always), `not_eligible`, `no_reviewer`.
 */
export async function extendGrant(
  ctx: OperationContext,
  input: ExtendGrantInput,
): Promise<SubmittedRequest> {
  requireTrustedClock(ctx)
  const ticket = input.ticket === '' ? undefined : input.ticket
  const tidy = { ...input, justification: tidyText(input.justification), ticket }
  refuseFaults([durationFault(tidy.durationSeconds), ...purposeFaults(tidy)])
  try {
    return await operate(ctx, 'extend-grant', (tx) => extend(tx, ctx, tidy))
  } catch (error) {
    await reportNoReviewer(ctx, error)
    throw error
  }
}

async function extend(
  tx: Transaction,
  ctx: OperationContext,
  input: ExtendGrantInput & Pick<Ask, 'ticket'>,
): Promise<SubmittedRequest> {
  const subject = await lockActorFacts(tx, ctx)
  const catalog = await catalogInForce(tx.db)
  const held = await grantOfHolder(tx, catalog, subject, input.grantId)
  await lockResource(tx, held.resource, 'share')
  const now = ctx.clock.now()
  requireMove(held, 'extend', now)
  const first = await firstPending(tx, ctx, input, now)
  if (first !== undefined) {
    const [facts] = await loadFacts(tx.db, ctx, catalog, [first])
    if (facts !== undefined) return { request: requestView(catalog, facts, now), isNew: false }
  }
  const grant = await lockGrant(tx, held.id)
  requireMove(grant, 'extend', now)
  const ask = askForWholeTime(catalog, grant, input)
  const decision = decide(catalog, subject, ask, now)
  if (!isGranting(decision)) throw deniedBy(decision, grantFacts(grant))
  const extending = { grant, seconds: input.durationSeconds }
  const draft = await draftRequest(tx.db, ctx, catalog, subject, ask, decision, now, extending)
  requireReviewers(catalog, draft, now)
  const stored = await storeDraft(tx, ctx, catalog, draft, decision, now)
  // two asks at once: the one that came second waited for the first and finds it now
  if (stored === undefined) return extend(tx, ctx, input)
  return { request: requestView(catalog, stored, now), isNew: true }
}

async function grantOfHolder(
  tx: Transaction,
  catalog: Catalog,
  subject: SubjectFacts,
  id: string,
): Promise<Grant> {
  const [grant] = await tx.db.select().from(accessGrantTable).where(eq(accessGrantTable.id, id))
  if (grant === undefined) throw grantNotFound()
  const rights = rightsOver(catalog, { kind: 'subject', facts: subject }, grant)
  if (!rights.canSee) throw grantNotFound(grant)
  const refusal = grantFacts(grant)
  if (!rights.isHolder) {
    throw new HallpassError('not_holder', 'Only the holder of this grant may extend it.', {
      refusal,
    })
  }
  if (!grant.isBreakGlass) return grant
  const message = 'Emergency access is never extended. Ask for the role without break-glass.'
  const reasons = [{ code: 'break_glass_not_extended', message }]
  throw new HallpassError('outside_policy', message, { reasons, refusal })
}

function askForWholeTime(catalog: Catalog, grant: Grant, input: ExtendGrantInput): Ask {
  const heldSeconds = (grant.endsAt.getTime() - grant.startsAt.getTime()) / 1000
  // what the role has lost since is lost at the next mint too
  const left = catalog.roles.get(grant.role)?.scopes ?? []
  return {
    role: grant.role,
    scopes: grant.scopes.filter((scope) => left.includes(scope)),
    durationSeconds: heldSeconds + input.durationSeconds,
    justification: input.justification,
    ticket: input.ticket,
    startsAt: grant.startsAt,
    isBreakGlass: false,
    isExtension: true,
  }
}

async function firstPending(
  tx: Transaction,
  ctx: OperationContext,
  input: ExtendGrantInput,
  now: Date,
): Promise<AccessRequest | undefined> {
  const [row] = await tx.db
    .select()
    .from(accessRequestTable)
    .where(and(eq(accessRequestTable.extendsGrantId, input.grantId), isStoredPending))
    .for('update')
  if (row === undefined) return undefined
  const pending = requestOf(row)
  if (effectiveState(pending, now) === 'expired') {
    await lapseRequest(tx, ctx, pending, now)
    return undefined
  }
  if (pending.requestedDurationSeconds !== input.durationSeconds) throw alreadyPending(pending)
  return pending
}
