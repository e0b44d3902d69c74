// A broker in a process of its own, run from the compiled code as it is installed. What it is told by its
// parent: at which point of a transaction to die, and how far its clock is off.
import { subscribe } from 'node:diagnostics_channel'
import { existsSync } from 'node:fs'
import { startBroker } from '../../dist/src/broker.js'
import { readConfig } from '../../dist/src/config.js'
import { systemClock } from '../../dist/src/context.js'
import { isTransactionOpen } from '../../dist/src/database/index.js'
import { createLog } from '../../dist/src/log.js'

const { runsJobs, clockOffsetSeconds } = JSON.parse(process.argv[2] ?? '{}')
let offsetMilliseconds = (clockOffsetSeconds ?? 0) * 1000
/** @type {{ point: string, count: number, arrived: number, release: Array<() => void> } | undefined} */
let death

process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  if (message.offsetSeconds !== undefined) offsetMilliseconds = message.offsetSeconds * 1000
  if (message.dieAt !== undefined) death = { ...message.dieAt, arrived: 0, release: [] }
  process.send('heard')
})

for (const channel of ['undici:request:create', 'http.client.request.start']) {
  subscribe(channel, () => {
    if (isTransactionOpen()) process.send('network call while a transaction is open')
  })
}

const die = () => process.kill(process.pid, 'SIGKILL')

/** Holds whoever comes to the point of death until all that are awaited are there, then the process dies. */
function reach(point) {
  if (death?.point !== point) return undefined
  death.arrived += 1
  const isLast = death.arrived === death.count
  if (point !== 'during commit') {
    if (isLast) die()
    return new Promise(() => {})
  }
  return new Promise((resolve) => {
    death.release.push(resolve)
    if (!isLast) return
    for (const release of death.release) release()
    // by then every COMMIT has left, and its answer is perhaps not here
    setImmediate(() => setImmediate(die))
  })
}

const dyingAsTold = (services) => ({
  ...services,
  database: {
    ...services.database,
    transaction: async (work) => {
      const result = await services.database.transaction(async (tx) => {
        await reach('before work')
        const output = await work(tx)
        await reach('before commit')
        await reach('during commit')
        return output
      })
      await reach('before answer')
      return result
    },
  },
})

try {
  const broker = await startBroker(readConfig(process.env, existsSync), {
    clock: { ...systemClock, now: () => new Date(Date.now() + offsetMilliseconds) },
    log: createLog((line) => process.stderr.write(line), 'debug'),
    decorate: dyingAsTold,
    runsJobs: runsJobs ?? true,
  })
  process.on('SIGTERM', () => broker.stop().then(() => process.exit(0)))
  process.send('ready')
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
