import { type Catalog, catalogInForce, decide, type SubjectFacts } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable } from '../database/index.ts'
import type { Reason } from '../errors.ts'
import { actorFacts } from '../identity/index.ts'
import { look } from '../operation.ts'
import { type AskInput, readAsk, startTimeFault } from './ask-input.ts'
import { breakGlassUnreviewed, lackOfReviewers } from './ask-refusals.ts'
import { draftRequest, isGranting } from './draft-request.ts'
import type { RecordedSeat } from './request.ts'
import { eligibleReviewers, situationOf } from './situation.ts'
import { openEmergency } from './submit-request.ts'

/** What an ask would meet. */
export interface RequestPreview {
  readonly decision: 'allow' | 'review' | 'deny'
  readonly policy: string | null
  readonly reasons: readonly Reason[]
  /** The seats that would have to be filled; for an emergency, afterwards. */
  readonly approval: readonly Pick<RecordedSeat, 'from' | 'count'>[]
  readonly eligibleReviewers: readonly string[]
  readonly maxDurationSeconds: number | null
}

/**
 * Runs the analysis of an ask and stores nothing. Answers for any well-formed ask; throws `invalid_input` for
 * others alone. That a request is pending already is not judged.
 */
export async function previewRequest(
  ctx: OperationContext,
  input: AskInput,
): Promise<RequestPreview> {
  const ask = readAsk(input)
  return look(ctx, 'preview-request', async (db) => {
    const subject = await actorFacts(db, ctx)
    const catalog = await catalogInForce(db)
    const now = ctx.clock.now()
    const decision = decide(catalog, subject, ask, now)
    const policy = {
      policy: decision.policy?.name ?? null,
      maxDurationSeconds: decision.policy?.maxDurationSeconds ?? null,
    }
    const refused = (reasons: readonly Reason[]): RequestPreview => ({
      ...policy,
      decision: 'deny',
      reasons,
      approval: [],
      eligibleReviewers: [],
    })
    if (!isGranting(decision)) return refused(decision.reasons)
    const draft = await draftRequest(db, ctx, catalog, subject, ask, decision, now)
    const obstacle =
      startObstacle(ask.startsAt, now) ??
      (ask.isBreakGlass ? await emergencyObstacle(db, catalog, subject) : undefined) ??
      lackOfReviewers(catalog, draft, now)
    if (obstacle !== undefined) return refused([obstacle])
    return {
      ...policy,
      decision: decision.outcome,
      reasons: decision.reasons,
      approval: draft.request.seats.map(({ from, count }) => ({ from, count })),
      eligibleReviewers: eligibleReviewers(catalog, situationOf(catalog, draft, now), now),
    }
  })
}

function startObstacle(startsAt: Date | undefined, now: Date): Reason | undefined {
  const fault = startTimeFault(startsAt, now)
  return fault && { code: 'invalid_input', message: `starts_at ${fault.message}.` }
}

async function emergencyObstacle(
  db: Queryable,
  catalog: Catalog,
  subject: SubjectFacts,
): Promise<Reason | undefined> {
  const open = await openEmergency(db, catalog, subject)
  if (open === undefined) return undefined
  return { code: 'break_glass_unreviewed', message: breakGlassUnreviewed(open).message }
}
