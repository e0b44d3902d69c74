import { HallpassError, type InputFault } from '../errors.ts'
import { textFault, tidyText } from './free-text.ts'

const longestReason = 500

/** Checks the reason that ending or stopping access needs: 1 to 500 characters. Throws `invalid_input`. */
export function checkedReason(reason: string): string {
  const text = tidyText(reason)
  const blank = text === '' ? { pointer: '/reason', message: 'must say why' } : undefined
  const fault: InputFault | undefined = blank ?? textFault('/reason', text, longestReason)
  if (fault === undefined) return text
  throw new HallpassError('invalid_input', `The reason ${fault.message}.`, { errors: [fault] })
}
