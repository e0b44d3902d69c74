import type { Catalog, Decision } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import { HallpassError, type Reason, type RefusalFacts } from '../errors.ts'
import { emitEvent } from '../notify/index.ts'
import { type AccessRequest, isOpenForReview } from './request.ts'
import { canBeFilled, type RequestFacts, situationOf } from './situation.ts'

/** The refusal of an ask, or of the review that would complete it, that policy denies. */
export function deniedBy(decision: Decision, facts: RefusalFacts): HallpassError {
  const { refusedAs = 'not_eligible', reasons, policy } = decision
  const message = reasons.map((reason) => reason.message).join(' ')
  const details = { policy: policy?.name ?? null, reasons: reasons.map(({ code }) => code) }
  return new HallpassError(refusedAs, message, {
    ...(refusedAs === 'outside_policy' ? { reasons } : {}),
    refusal: { ...facts, details: { ...facts.details, ...details } },
  })
}

/** The refusal of an ask while another for the same role waits. */
export function alreadyPending(pending: AccessRequest): HallpassError {
  return new HallpassError(
    'already_pending',
    'A request for this role is waiting already. Wait for it, or cancel it and ask again.',
    { extensions: { requestId: pending.id } },
  )
}

/** The refusal of an emergency while the one before has not been reviewed. */
export function breakGlassUnreviewed(open: AccessRequest | undefined): HallpassError {
  return new HallpassError(
    'break_glass_unreviewed',
    'An emergency access waits for its review. Ask its reviewers first, or ask without break-glass.',
    open === undefined
      ? {}
      : {
          extensions: { requestId: open.id },
          refusal: { subject: open.subject, requestId: open.id },
        },
  )
}

/** Why reviewers would be asked in vain: some seat could be filled by nobody. Undefined when all can be. */
export function lackOfReviewers(
  catalog: Catalog,
  facts: RequestFacts,
  now: Date,
): Reason | undefined {
  if (!isOpenForReview(facts.request, now)) return undefined
  if (canBeFilled(catalog, situationOf(catalog, facts, now))) return undefined
  const { policy, role } = facts.request
  const message = `Nobody could fill every seat that policy ${policy} wants for ${role}. Ask the admins to name more reviewers.`
  return { code: 'no_reviewer', message }
}

/** Throws `no_reviewer` for a request that would wait in vain. */
export function requireReviewers(catalog: Catalog, facts: RequestFacts, now: Date): void {
  const lack = lackOfReviewers(catalog, facts, now)
  if (lack === undefined) return
  const { subject, resource, role, policy, seats } = facts.request
  throw new HallpassError('no_reviewer', `${lack.message} They were told.`, {
    refusal: {
      subject,
      resource,
      details: { role, policy, seats: seats.map(({ from, count }) => ({ from, count })) },
    },
  })
}

/** Tells the admins of an ask that nobody could review. A transaction of its own: the ask was rolled back. */
export async function reportNoReviewer(ctx: OperationContext, error: unknown): Promise<void> {
  if (!(error instanceof HallpassError) || error.code !== 'no_reviewer') return
  const { subject, resource, details } = error.options.refusal ?? {}
  await ctx.database.transaction((tx) => {
    const findingId = ctx.ids.next('fnd')
    return emitEvent(tx, ctx, {
      type: 'finding.opened',
      orderKey: findingId,
      data: { finding_id: findingId, kind: 'no_reviewer', subject, resource, ...details },
    })
  })
}
