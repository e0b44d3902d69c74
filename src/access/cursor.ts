import { HallpassError } from '../errors.ts'

/** One page of a list, newest first. `nextCursor` is null at the end. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly nextCursor: string | null
}

// a list whose filter matters to the position carries a digest of it in its name
const cursorShape = /^v1:([a-z]+(?:\.[0-9a-f]{16})?):([a-z]+_[0-9A-HJKMNP-TV-Z]{26})$/

/** Where a page of this list ended, opaque to whoever gets it. */
export function cursorOf(list: string, id: string): string {
  return Buffer.from(`v1:${list}:${id}`, 'utf8').toString('base64url')
}

/** The id that a cursor of this list stands for; throws `invalid_cursor` for one from elsewhere. */
export function idOfCursor(list: string, cursor: string): string {
  const match = /^[A-Za-z0-9_-]{1,200}$/.test(cursor)
    ? cursorShape.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
    : null
  if (match?.[1] !== list || match[2] === undefined) {
    throw new HallpassError(
      'invalid_cursor',
      'This cursor is not from this list. Start again without one.',
    )
  }
  return match[2]
}

/** Makes a page of rows that were read newest first, one more than `limit`. */
export function pageOf<T extends { readonly id: string }>(
  list: string,
  rows: readonly T[],
  limit: number,
): Page<T> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const isMore = rows.length > limit && last !== undefined
  return { items, nextCursor: isMore ? cursorOf(list, last.id) : null }
}
