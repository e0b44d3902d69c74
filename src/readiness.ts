import { catalogInForce } from './catalog/index.ts'
import { requireCompatible } from './database/index.ts'
import type { HttpServices, ReadinessCheck } from './http/index.ts'
import { publishedKeys } from './tokens/index.ts'

const worked: ReadinessCheck = { isOk: true }

/** What must hold before this replica is given work: database, migrations, clock, keys, catalog, feed. */
export async function readinessOf(
  services: HttpServices,
): Promise<Readonly<Record<string, ReadinessCheck>>> {
  const [database, migrations, keys, catalog] = await Promise.all([
    attempt('The database cannot be reached. Check DATABASE_URL and the server.', () =>
      services.database.now(),
    ),
    attempt(
      'The database was marked incompatible with this release. Start a newer release of Hallpass.',
      () => services.database.read(requireCompatible),
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
  return {
    database,
    migrations,
    clock: clockCheck(services),
    keys,
    catalog,
    feed: feedCheck(services),
  }
}

function feedCheck({ revocationFeed }: HttpServices): ReadinessCheck {
  if (revocationFeed.isFresh()) return worked
  return {
    isOk: false,
    message:
      'Revocations do not arrive: LISTEN needs a direct connection. Behind a transaction pooler set HALLPASS_DIRECT_DATABASE_URL.',
  }
}

function clockCheck({ clockMonitor }: HttpServices): ReadinessCheck {
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
