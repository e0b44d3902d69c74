import { ConfigurationError } from './config.ts'
import { HallpassError } from './errors.ts'

/** What is printed when the broker cannot start (every fault on a line of its own), and its exit status. */
export function startFailure(error: unknown): { readonly text: string; readonly exitCode: 1 | 2 } {
  const message = error instanceof Error ? error.message : 'Hallpass could not start.'
  const faults = error instanceof HallpassError ? (error.options.errors ?? []) : []
  return {
    text: [message, ...faults.map((fault) => `  ${fault.message}`)].join('\n'),
    exitCode: error instanceof ConfigurationError ? 2 : 1,
  }
}
