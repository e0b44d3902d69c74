import { subscribe } from 'node:diagnostics_channel'
import { afterEach } from 'vitest'
import { isTransactionOpen } from '../../src/database/database.ts'

const violations: string[] = []

// every way out of the process: fetch, node:http, and bare connections; the driver opens its own otherwise
const channels = ['undici:request:create', 'http.client.request.start', 'net.client.socket']

for (const channel of channels) {
  subscribe(channel, () => {
    if (isTransactionOpen()) violations.push(`${channel}\n${new Error('from').stack ?? ''}`)
  })
}

/** What was caught since the last look; a test that breaks the rule on purpose takes it away. */
export function takeNetworkViolations(): readonly string[] {
  return violations.splice(0)
}

// in the setup of every file: no test passes that waits for the network while a transaction is open
afterEach(() => {
  const found = takeNetworkViolations()
  if (found.length > 0) {
    throw new Error(`a network call was made while a transaction was open: ${found.join('\n')}`)
  }
})
