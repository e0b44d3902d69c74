import { and, eq } from 'drizzle-orm'
import type { Transaction } from '../database/index.ts'
import { accessRequestTable } from '../database/schema/access.ts'
import { HallpassError } from '../errors.ts'
import { requestOf } from './load-request.ts'
import type { AccessRequest, RecordedSeat } from './request.ts'

/** What may change after a request was made; what was asked for never does. */
export type RequestChanges = Partial<
  Pick<
    AccessRequest,
    'state' | 'scopes' | 'durationSeconds' | 'seats' | 'afterReview' | 'grantId' | 'decidedAt'
  >
>

/**
 * Changes a locked request by compare-and-set on state and version. The version rises when scopes, duration or
 * state change, not when an approval is merely added. Zero rows means that the lock was not held.
 */
export async function changeRequest(
  tx: Transaction,
  request: AccessRequest,
  { scopes, seats, ...changes }: RequestChanges,
): Promise<AccessRequest> {
  const isOther =
    isChanged(request.state, changes.state) ||
    isChanged(request.afterReview, changes.afterReview) ||
    isChanged(request.durationSeconds, changes.durationSeconds) ||
    isChanged(request.scopes.length, scopes?.length)
  const [changed] = await tx.db
    .update(accessRequestTable)
    .set({
      ...changes,
      ...(scopes === undefined ? {} : { scopes: [...scopes] }),
      ...(seats === undefined ? {} : { seats: storedSeats(seats) }),
      version: request.version + (isOther ? 1 : 0),
    })
    .where(
      and(
        eq(accessRequestTable.id, request.id),
        eq(accessRequestTable.state, request.state),
        eq(accessRequestTable.version, request.version),
      ),
    )
    .returning()
  if (changed === undefined) {
    throw new HallpassError('stale_version', 'The request changed in the meantime. Read it again.')
  }
  return requestOf(changed)
}

/** Seats as the row keeps them. */
export function storedSeats(seats: readonly RecordedSeat[]) {
  return seats.map(({ from, count, approvedBy }) => ({
    from: [...from],
    count,
    ...(approvedBy.length === 0 ? {} : { approved_by: [...approvedBy] }),
  }))
}

function isChanged<T>(before: T, after: T | undefined): boolean {
  return after !== undefined && after !== before
}
