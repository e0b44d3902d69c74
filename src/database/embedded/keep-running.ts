import { existsSync } from 'node:fs'
import type { Hold } from './holders.ts'
import type { Home } from './home.ts'
import { isAlive, isReachable } from './postmaster.ts'
import { ensureRunning, type RunningServer, type RunOptions } from './run-server.ts'
import { boundLog } from './server-files.ts'

const lookEveryMilliseconds = 250
const longestWaitMilliseconds = 30_000

/**
 * Looks after a running server: starts it again when it died, waiting longer after each failure, and keeps
 * its log short. Does not keep the process alive.
 */
export function keepRunning(
  home: Home,
  hold: Hold,
  options: RunOptions,
  first: RunningServer,
): { stop(): Promise<void> } {
  let processId = first.processId
  let waitMilliseconds = lookEveryMilliseconds
  let isStopping = false
  let look = Promise.resolve()
  let timer = later()

  function later(): NodeJS.Timeout {
    return setTimeout(() => {
      look = lookAfter().then(() => {
        if (!isStopping) timer = later()
      })
    }, waitMilliseconds).unref()
  }

  async function lookAfter(): Promise<void> {
    try {
      // reachable, not alive: it runs in another container and has another number there
      if (isAlive(processId) || (await isReachable(first.socketDirectory))) {
        boundLog(home)
        return
      }
      if (!existsSync(home.data)) {
        // never an empty database in place of one that people believe to be there
        throw new Error(
          `The database files in ${home.data} are gone. Stop Hallpass and restore them.`,
        )
      }
      options.log('the embedded Postgres ended unexpectedly; starting it again')
      processId = (await ensureRunning(home, hold, options)).processId
      waitMilliseconds = lookEveryMilliseconds
      options.log('the embedded Postgres runs again')
    } catch (error) {
      waitMilliseconds = Math.min(2 * waitMilliseconds, longestWaitMilliseconds)
      options.log(error instanceof Error ? error.message : String(error))
    }
  }

  return {
    stop: async () => {
      isStopping = true
      clearTimeout(timer)
      await look
    },
  }
}
