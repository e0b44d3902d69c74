import { catalogInForce } from './catalog/index.ts'
import type { Services } from './context.ts'
import type { ReadinessCheck } from './http/index.ts'
import { publishedKeys } from './tokens/index.ts'

const worked: ReadinessCheck = { isOk: true }

/** What must hold before this replica is given work: database, clock, keys, catalog. */
export async function readinessOf(
  services: Services,
): Promise<Readonly<Record<string, ReadinessCheck>>> {
  const [database, keys, catalog] = await Promise.all([
    attempt('The database cannot be reached. Check DATABASE_URL and the server.', () =>
      services.database.now(),
    ),
    attempt(
      'No signing key can be used. Check HALLPASS_MASTER_KEY, then run `hallpass doctor`.',
      async () => {
        const { keys } = await publishedKeys(services)
        if (keys.length === 0) throw new Error('no key')
      },
    ),
    attempt('No catalog is in force. Run `hallpass catalog apply FILE`.', () =>
      services.database.read((db) => catalogInForce(db)),
    ),
  ])
  return { database, clock: clockCheck(services), keys, catalog }
}

function clockCheck({ clockMonitor }: Services): ReadinessCheck {
  if (clockMonitor.isTrusted()) return worked
  const skew = clockMonitor.skewSeconds()
  return {
    isOk: false,
    message:
      skew === null
        ? 'The clock was not compared with the database yet.'
        : `This clock is ${skew.toFixed(1)} s from the database's; at most 2 s are allowed. Correct the time (NTP).`,
  }
}

async function attempt(message: string, check: () => Promise<unknown>): Promise<ReadinessCheck> {
  try {
    await check()
    return worked
  } catch {
    return { isOk: false, message }
  }
}
