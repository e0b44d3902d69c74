import { existsSync } from 'node:fs'
import { startBroker } from './broker.ts'
import { type Config, readConfig } from './config.ts'
import { systemClock } from './context.ts'
import { createLog } from './log.ts'
import { startFailure } from './start-failure.ts'

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function fail(error: unknown): never {
  const { text, exitCode } = startFailure(error)
  process.stderr.write(`${text}\n`)
  process.exit(exitCode)
}

function introduce(config: Config): void {
  if (!config.isDevelopment) return
  say(
    'Development sign-in is on: anybody on this machine may be anybody. Try, in another terminal:',
  )
  say('  npx hallpass login --as alice@example.com')
  say('  npx hallpass request billing-reader --for 1h --why "look at an invoice"')
  say('  npm run tour')
}

async function main(): Promise<void> {
  const config = readConfig(process.env, existsSync)
  const log = createLog((line) => process.stderr.write(line))
  const broker = await startBroker(config, { clock: systemClock, log })
  let isStopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // a second signal means now
      if (isStopping) process.exit(1)
      isStopping = true
      log.info({ signal }, 'stopping')
      broker.stop().then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      )
    })
  }
  introduce(config)
  say(`hallpass ready at ${broker.url}`)
}

await main().catch(fail)
