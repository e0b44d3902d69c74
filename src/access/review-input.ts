import type { InputFault } from '../errors.ts'
import { durationFault } from './ask-input.ts'
import { lineFault } from './free-text.ts'
import type { ReviewInput } from './review.ts'

/** What is wrong with a review, whatever the request is. */
export function reviewFaults(input: ReviewInput): readonly (InputFault | undefined)[] {
  const { verdict, scopes, durationSeconds, version } = input
  const isNarrowing = scopes !== undefined || durationSeconds !== undefined
  return [
    verdict === 'deny' && isNarrowing
      ? { pointer: '/verdict', message: 'goes with scopes or a duration only when it is approve' }
      : undefined,
    durationSeconds === undefined ? undefined : durationFault(durationSeconds),
    version === undefined || (Number.isInteger(version) && version >= 1)
      ? undefined
      : { pointer: '/version', message: 'must be a whole number from 1' },
    ...(scopes ?? []).map((scope, index) => lineFault(`/scopes/${index}`, scope, 200)),
  ]
}
