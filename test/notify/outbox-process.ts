import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { installationRoot } from '../../src/installation.ts'

const compiled = (path: string) => pathToFileURL(join(installationRoot, 'dist/src', path)).href

/**
 * A replica that does nothing but deliver to `url`. Before and after each post it asks itself whether to die, as
 * a process dies that is killed: without a word to anybody.
 */
const script = `
import { systemClock, systemIds } from '${compiled('context.js')}'
import { openDatabase } from '${compiled('database/index.js')}'
import { createOutbox, createWebhookNotifier } from '${compiled('notify/index.js')}'
const { connectionString, url, secret, timing, deaths } = JSON.parse(process.argv[1])
const database = openDatabase({ connectionString })
const silent = () => {}
const log = { debug: silent, info: silent, warn: silent, error: silent }
const webhook = createWebhookNotifier({ url, secret, clock: systemClock })
let steps = 0
const dieMaybe = async () => {
  steps += 1
  if (steps === deaths.atStep) process.kill(process.pid, 'SIGKILL')
  if (steps === deaths.hangAtStep) {
    process.stdout.write('holding\\n')
    await new Promise(() => {})
  }
}
const notifier = {
  name: 'webhook',
  deliver: async (event, signal) => {
    await dieMaybe()
    await webhook.deliver(event, signal)
    await dieMaybe()
  },
}
process.stdin.on('end', () => process.exit(0)).resume()
await createOutbox({ services: { database, log }, notifiers: [notifier], timing }).start()
`

export interface OutboxProcess {
  /** Resolves when it holds a delivery and does nothing more. */
  readonly holding: Promise<void>
  /** Resolves with the signal that ended it. */
  readonly ended: Promise<NodeJS.Signals | null>
  kill(): void
}

/** Starts it from the compiled code, as it is run. It ends by itself when this process does. */
export function startOutboxProcess(settings: {
  readonly connectionString: string
  readonly url: string
  readonly secret: string
  readonly timing: object
  /** Counted over what it delivers, two steps each: before and after the post. */
  readonly deaths: { readonly atStep?: number; readonly hangAtStep?: number }
}): OutboxProcess {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', script, JSON.stringify(settings)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  return {
    holding: new Promise((resolve) => child.stdout.once('data', () => resolve())),
    ended: new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal))),
    kill: () => child.kill('SIGKILL'),
  }
}
