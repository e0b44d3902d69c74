import type { Ask, Catalog, Decision, Policy, Role, SubjectFacts } from '../catalog/index.ts'
import type { OperationContext } from '../context.ts'
import type { Queryable, Transaction } from '../database/index.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { storedSeats } from './change-request.ts'
import type { Grant } from './grant.ts'
import { type LoadedRequest, loadPeople, requestOf } from './load-request.ts'
import { type AccessRequest, openRequest } from './request.ts'
import { recordSeats } from './seat-notation.ts'

/** A decision that did not deny. */
export type Granting = Decision & {
  readonly outcome: 'allow' | 'review'
  readonly policy: Policy
  readonly role: Role
}

export function isGranting(decision: Decision): decision is Granting {
  return decision.outcome !== 'deny' && decision.policy !== undefined && decision.role !== undefined
}

/** More time for a grant: `seconds` is what is added, while the ask names the whole time. */
export interface Extending {
  readonly grant: Grant
  readonly seconds: number
}

/** The request that an ask would make, with everyone who could review it; nothing is stored yet. */
export async function draftRequest(
  db: Queryable,
  ctx: OperationContext,
  catalog: Catalog,
  subject: SubjectFacts,
  ask: Ask,
  decision: Granting,
  now: Date,
  extending?: Extending,
): Promise<LoadedRequest> {
  const durationSeconds = extending?.seconds ?? ask.durationSeconds
  const request: AccessRequest = {
    ...openRequest(decision.outcome, decision.policy, now),
    id: ctx.ids.next('req'),
    subject: subject.id,
    resource: decision.role.resource,
    role: decision.role.name,
    requestedScopes: decision.scopes,
    scopes: decision.scopes,
    requestedDurationSeconds: durationSeconds,
    durationSeconds,
    justification: ask.justification,
    ticket: ask.ticket ?? null,
    startsAt: extending === undefined ? (ask.startsAt ?? null) : null,
    policy: decision.policy.name,
    catalogVersion: catalog.version,
    seats: recordSeats(
      decision.outcome === 'allow' && decision.policy.breakGlass === undefined
        ? []
        : decision.policy.approval,
    ),
    isBreakGlass: ask.isBreakGlass,
    extendsGrantId: extending?.grant.id ?? null,
    grantId: null,
    version: 1,
    createdAt: now,
    createdVia: ctx.actor.via,
  }
  const people = await loadPeople(db, ctx, catalog, [request], [])
  return { request, reviews: [], comments: [], subject, people, extended: extending?.grant }
}

/** Stores a drafted request; undefined when another that excludes it was stored first. */
export async function insertRequest(
  tx: Transaction,
  request: AccessRequest,
): Promise<AccessRequest | undefined> {
  const [row] = await tx.db
    .insert(accessRequestTable)
    .values({
      ...request,
      requestedScopes: [...request.requestedScopes],
      scopes: [...request.scopes],
      seats: storedSeats(request.seats),
    })
    .onConflictDoNothing()
    .returning()
  return row === undefined ? undefined : requestOf(row)
}
