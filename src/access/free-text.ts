import type { InputFault } from '../errors.ts'

/** Control characters, lone surrogates, and marks that reorder what a reviewer reads. A line feed is allowed. */
const unwanted = /[^\P{Cc}\n]|[\p{Cs}\u202A-\u202E\u2066-\u2069]/u
const unwantedInLine = /[\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u

/** What people wrote in several lines, as it is kept: line feeds alone, nothing blank around it. */
export function tidyText(text: string): string {
  return text.replace(/\r\n?/g, '\n').trim()
}

/** What is wrong with a text of several lines, counted in characters; undefined when nothing is. */
export function textFault(pointer: string, text: string, longest: number): InputFault | undefined {
  return lengthFault(pointer, text, longest) ?? characterFault(pointer, text, unwanted)
}

/** The same for a text of one line. */
export function lineFault(pointer: string, text: string, longest: number): InputFault | undefined {
  return lengthFault(pointer, text, longest) ?? characterFault(pointer, text, unwantedInLine)
}

function lengthFault(pointer: string, text: string, longest: number): InputFault | undefined {
  if (text.length <= longest || [...text].length <= longest) return undefined
  return { pointer, message: `must have at most ${longest} characters` }
}

function characterFault(pointer: string, text: string, bad: RegExp): InputFault | undefined {
  if (!bad.test(text)) return undefined
  return { pointer, message: 'must not have control characters or marks that reorder text' }
}
