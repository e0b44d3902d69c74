import { existsSync } from 'node:fs'
import { startBroker } from './broker.ts'
import { type Config, ConfigurationError, readConfig } from './config.ts'
import { type Log, systemClock } from './context.ts'
import { HallpassError } from './errors.ts'
import { tryPort } from './http/index.ts'
import { createLog } from './log.ts'

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One message for the person who starts it, every fault in it; never a stack. */
function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : 'Hallpass could not start.'
  const faults = error instanceof HallpassError ? (error.options.errors ?? []) : []
  process.stderr.write(`${[message, ...faults.map((fault) => `  ${fault.message}`)].join('\n')}\n`)
  process.exit(error instanceof ConfigurationError ? 2 : 1)
}

function introduce(config: Config): void {
  if (!config.isDevelopment) return
  say(
    'Development sign-in is on: anybody on this machine may be anybody. Try, in another terminal:',
  )
  const url = config.port === 8080 ? '' : ` --url http://localhost:${config.port}`
  say(`  npx hallpass${url} login --as alice@example.com`)
  say(`  npx hallpass${url} request billing-reader --for 1h --why "look at an invoice"`)
  say('  npm run tour')
}

/** The environment parsed; `PORT=0` takes a free port, and everything that names the port names that one. */
async function configure(): Promise<Config> {
  const config = readConfig(process.env, existsSync)
  const port = await tryPort(config.host, config.port)
  if (port === config.port) return config
  return readConfig({ ...process.env, PORT: String(port) }, existsSync)
}

/** A terminal's Ctrl-C reaches a broker under npm twice at once: that is one wish, not two. */
const sameSignalMilliseconds = 500

function stopAtSignal(stop: () => Promise<void>, log: Log): void {
  let stoppingSince: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    const now = systemClock.monotonicMilliseconds()
    if (stoppingSince !== undefined) {
      if (now - stoppingSince < sameSignalMilliseconds) return
      // a second one means now
      process.exit(1)
    }
    stoppingSince = now
    log.info({ signal }, 'stopping')
    stop().then(() => process.exit(0), fail)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}

async function main(): Promise<void> {
  const config = await configure()
  const log = createLog((line) => process.stderr.write(line))
  const broker = await startBroker(config, { clock: systemClock, log })
  stopAtSignal(() => broker.stop(), log)
  introduce(config)
  say(`hallpass ready at ${broker.url}`)
}

await main().catch(fail)
