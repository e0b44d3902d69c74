import { HallpassError } from '../errors.ts'

const longestReason = 500

/** What may never stand in a text that goes to logs, chat and the database. */
const controlCharacter = /[\p{Cc}\p{Cs}]/u

/** Checks the reason that ending or stopping access needs: 1 to 500 characters, none a control character. */
export function checkedReason(reason: string): string {
  const text = reason.trim()
  const length = [...text].length
  if (length === 0) throw faulty('must say why')
  if (length > longestReason) throw faulty(`must have at most ${longestReason} characters`)
  if (controlCharacter.test(text)) throw faulty('must not have control characters')
  return text
}

function faulty(message: string): HallpassError {
  return new HallpassError('invalid_input', `The reason ${message}.`, {
    errors: [{ pointer: '/reason', message }],
  })
}
