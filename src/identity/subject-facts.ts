import { and, arrayOverlaps, asc, eq, gte, inArray } from 'drizzle-orm'
import type { SubjectFacts } from '../catalog/index.ts'
import type { OperationContext, Services } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { subjectTable } from '../database/schema/identity.ts'
import { HallpassError } from '../errors.ts'
import { ensureSubject } from './lock-subject.ts'
import { claimsLastMilliseconds, factsOf, type KnownSubject, unknownSubject } from './subject.ts'

const columns = {
  id: subjectTable.id,
  isDisabled: subjectTable.isDisabled,
  claimGroups: subjectTable.claimGroups,
  claimsAt: subjectTable.claimsAt,
}

/** What a decision needs to know of a subject. One that was never seen has no claims and is not disabled. */
export async function subjectFacts(
  db: Queryable,
  ctx: Pick<Services, 'clock'>,
  id: string,
): Promise<KnownSubject> {
  const [row] = await db.select(columns).from(subjectTable).where(eq(subjectTable.id, id))
  return row === undefined ? unknownSubject(id) : factsOf(row, ctx.clock.now())
}

/** The same for many subjects in one query, by id. */
export async function knownSubjects(
  db: Queryable,
  ctx: Pick<Services, 'clock'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, KnownSubject>> {
  const subjects = new Map(ids.map((id) => [id, unknownSubject(id)]))
  if (ids.length === 0) return subjects
  const now = ctx.clock.now()
  const rows = await db
    .select(columns)
    .from(subjectTable)
    .where(inArray(subjectTable.id, [...subjects.keys()]))
  for (const row of rows) subjects.set(row.id, factsOf(row, now))
  return subjects
}

/**
 * Facts of who performs this operation. Throws `unauthenticated` for nobody, `not_permitted` for an actor
 * that is no subject (a job, a resource) and for a disabled one, by whatever door it came.
 */
export async function actorFacts(
  db: Queryable,
  ctx: Pick<OperationContext, 'actor' | 'clock'>,
): Promise<SubjectFacts> {
  return enabled(await subjectFacts(db, ctx, actingSubject(ctx)))
}

/**
 * The same, with the row held to the end of the transaction: what it says stays so, and ending everything of the
 * subject and acting happen one after another. A subject without a row gets one.
 */
export async function lockActorFacts(
  tx: Transaction,
  ctx: Pick<OperationContext, 'actor' | 'clock'>,
): Promise<SubjectFacts> {
  const id = actingSubject(ctx)
  const lock = () =>
    tx.db.select(columns).from(subjectTable).where(eq(subjectTable.id, id)).for('share')
  let [row] = await lock()
  if (row === undefined) {
    await ensureSubject(tx, ctx, id)
    row = (await lock())[0]
  }
  if (row === undefined) throw new Error('a subject that was ensured is not there')
  return enabled(factsOf(row, ctx.clock.now()))
}

function actingSubject(ctx: Pick<OperationContext, 'actor'>): string {
  const { kind, id } = ctx.actor
  if (kind === 'anonymous') throw new HallpassError('unauthenticated', 'Sign in first.')
  if (kind !== 'person' && kind !== 'workload') {
    throw new HallpassError('not_permitted', 'Only a person or a workload may do this.', {
      refusal: {},
    })
  }
  return id
}

function enabled(facts: KnownSubject): KnownSubject {
  if (!facts.isDisabled) return facts
  throw new HallpassError('not_permitted', 'This subject is disabled. Ask an admin to enable it.', {
    refusal: { subject: facts.id },
  })
}

/** The enabled people whom the identity provider put into any of these groups, at most 24 h ago; by id. */
export async function claimHolders(
  db: Queryable,
  ctx: Pick<Services, 'clock'>,
  claimNames: readonly string[],
): Promise<readonly SubjectFacts[]> {
  if (claimNames.length === 0) return []
  const now = ctx.clock.now()
  const rows = await db
    .select(columns)
    .from(subjectTable)
    .where(
      and(
        eq(subjectTable.kind, 'person'),
        eq(subjectTable.isDisabled, false),
        gte(subjectTable.claimsAt, new Date(now.getTime() - claimsLastMilliseconds)),
        arrayOverlaps(subjectTable.claimGroups, [...claimNames]),
      ),
    )
    .orderBy(asc(subjectTable.id))
  return rows.map((row) => factsOf(row, now))
}
