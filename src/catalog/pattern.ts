import { RE2JS } from 're2js'
import type { Pattern } from './catalog.ts'

const maxPatternLength = 500

/** A pattern, or why it is none. */
export type PatternOutcome =
  | { readonly pattern: Pattern }
  | { readonly message: string; readonly pattern?: undefined }

/**
 * Compiles an RE2 pattern. Its engine takes time linear in the text whatever the pattern, so what needs
 * backtracking (look-around, back-references) is refused. `test` finds the pattern anywhere in the text.
 */
export function compilePattern(source: string): PatternOutcome {
  if (source.length > maxPatternLength) {
    return { message: `is longer than ${maxPatternLength} characters` }
  }
  try {
    const compiled = RE2JS.compile(source)
    return { pattern: { source, test: (text) => compiled.test(text) } }
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'it does not parse'
    return {
      message: `is not an RE2 pattern (${detail}). Look-around and back-references can backtrack and are refused`,
    }
  }
}
