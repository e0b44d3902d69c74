import { asc, eq, inArray, sql } from 'drizzle-orm'
import {
  type Catalog,
  claimsIn,
  type MemberReference,
  type Policy,
  peopleOf,
} from '../catalog/index.ts'
import type { Services } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { accessRequestTable, requestCommentTable, reviewTable } from '../database/schema/access.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import { claimHolders, type KnownSubject, knownSubjects } from '../identity/index.ts'
import type { Grant } from './grant.ts'
import { type AccessRequest, isOpenForReview, type Review } from './request.ts'
import type { RequestComment } from './request-view.ts'
import { seatsOf } from './seat-notation.ts'
import type { RequestFacts } from './situation.ts'

/** All that is stored of a request, and all that its reviewers are judged by. */
export type LoadedRequest = RequestFacts & { readonly comments: readonly RequestComment[] }

/** Written out, so that the planner sees the partial indexes' own condition. */
export const isStoredPending = sql`${accessRequestTable.state} = 'pending'`

type RequestRow = typeof accessRequestTable.$inferSelect
type Reading = Pick<Services, 'clock'>

/** A stored row as the domain knows it. */
export function requestOf(row: RequestRow): AccessRequest {
  const seats = row.seats.map(({ from, count, approved_by = [] }) => ({
    from,
    count,
    approvedBy: approved_by,
  }))
  return { ...row, seats }
}

/** Reads one request without a lock; undefined when there is none. */
export async function readRequest(db: Queryable, id: string): Promise<AccessRequest | undefined> {
  const [row] = await db.select().from(accessRequestTable).where(eq(accessRequestTable.id, id))
  return row === undefined ? undefined : requestOf(row)
}

/**
 * Locks a request's row to the end of the transaction: reviews, cancelling and lapsing happen one after
 * another. Lock order everywhere: subject, resource, request, grant.
 */
export async function lockRequest(tx: Transaction, id: string): Promise<AccessRequest | undefined> {
  const [row] = await tx.db
    .select()
    .from(accessRequestTable)
    .where(eq(accessRequestTable.id, id))
    .for('update')
  return row === undefined ? undefined : requestOf(row)
}

/** Loads what belongs to these requests, in their order, in a fixed number of queries. */
export async function loadFacts(
  db: Queryable,
  ctx: Reading,
  catalog: Catalog,
  requests: readonly AccessRequest[],
): Promise<readonly LoadedRequest[]> {
  if (requests.length === 0) return []
  const reviews = await reviewsOf(db, requests)
  const comments = await commentsOf(db, requests)
  const extended = await extendedGrants(db, requests)
  const people = await loadPeople(db, ctx, catalog, requests, [
    ...requests.map(({ subject }) => subject),
    ...reviews.map(({ reviewer }) => reviewer),
  ])
  return requests.map((request) => ({
    request,
    reviews: reviews.filter(({ requestId }) => requestId === request.id),
    comments: comments.filter(({ requestId }) => requestId === request.id),
    subject: people.get(request.subject) ?? unknownTo(request),
    people,
    extended: extended.get(request.extendsGrantId ?? ''),
  }))
}

/**
 * Everyone who could review any of these requests, and the `others` by name. Requests that nobody can review any
 * more add no one.
 */
export async function loadPeople(
  db: Queryable,
  ctx: Reading,
  catalog: Catalog,
  requests: readonly AccessRequest[],
  others: readonly string[],
): Promise<ReadonlyMap<string, KnownSubject>> {
  const now = ctx.clock.now()
  const open = requests.filter((request) => isOpenForReview(request, now))
  const references = reviewerReferences(catalog, open)
  const named = await knownSubjects(db, ctx, [...peopleOf(catalog, references), ...others])
  const holders = await claimHolders(db, ctx, claimsIn(catalog, references))
  const people = new Map(named)
  for (const holder of holders) people.set(holder.id, { ...holder, isDisabled: false })
  return people
}

/** Seats recorded at ask, seats of every policy that could match by now, and the owners of requesting workloads. */
function reviewerReferences(
  catalog: Catalog,
  requests: readonly AccessRequest[],
): readonly MemberReference[] {
  const roles = new Set(requests.map(({ role }) => role))
  const names = new Set(requests.map(({ policy }) => policy))
  const mayMatch = ({ name, roles: covered }: Policy) =>
    names.has(name) || covered.some((role) => roles.has(role))
  const seats = [
    ...requests.flatMap((request) => seatsOf(request.seats)),
    ...catalog.policies.filter(mayMatch).flatMap(({ approval }) => approval),
  ]
  const owners = requests.flatMap(({ subject }): MemberReference[] => {
    const owner = subject.startsWith('workload:')
      ? catalog.workloads.get(subject.slice(9))?.owner
      : undefined
    return owner === undefined ? [] : [{ kind: 'group', name: owner }]
  })
  return [...seats.flatMap(({ from }) => from), ...owners]
}

async function reviewsOf(
  db: Queryable,
  requests: readonly AccessRequest[],
): Promise<readonly Review[]> {
  return db
    .select()
    .from(reviewTable)
    .where(inArray(reviewTable.requestId, idsOf(requests)))
    .orderBy(asc(reviewTable.at), asc(reviewTable.id))
}

async function commentsOf(db: Queryable, requests: readonly AccessRequest[]) {
  return db
    .select()
    .from(requestCommentTable)
    .where(inArray(requestCommentTable.requestId, idsOf(requests)))
    .orderBy(asc(requestCommentTable.at), asc(requestCommentTable.id))
}

async function extendedGrants(db: Queryable, requests: readonly AccessRequest[]) {
  const ids = requests.flatMap(({ extendsGrantId }) =>
    extendsGrantId === null ? [] : [extendsGrantId],
  )
  const grants: readonly Grant[] =
    ids.length === 0
      ? []
      : await db.select().from(accessGrantTable).where(inArray(accessGrantTable.id, ids))
  return new Map(grants.map((grant) => [grant.id, grant]))
}

function idsOf(requests: readonly AccessRequest[]): string[] {
  return requests.map(({ id }) => id)
}

function unknownTo(request: AccessRequest): never {
  throw new Error(`the subject of ${request.id} was not loaded`)
}
