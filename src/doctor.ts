import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { appendEntry, isLogWritable, sealLagSeconds } from './audit/index.ts'
import { catalogFileStatus } from './catalog/index.ts'
import { type Config, ConfigurationError, readConfig } from './config.ts'
import type { Clock, Log, OperationContext } from './context.ts'
import { areCommitsDurable, MigrationFault } from './database/index.ts'
import { HallpassError } from './errors.ts'
import { installationRoot } from './installation.ts'
import { outboxStatus } from './notify/index.ts'
import { NoDatabase, openAsOperator } from './operator.ts'
import { checkSigningKeys } from './tokens/index.ts'

/** One thing that was looked at. */
export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warning' | 'fault'
  /** Stable, where there is something to tell. */
  readonly code?: string
  /** What is so, and how to mend it. */
  readonly message: string
}

export interface DoctorOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
  readonly user: string
}

/** Looks at configuration, database, clock, keys, catalog, audit log and outbox. Mends nothing. */
export async function examine(options: DoctorOptions): Promise<readonly Finding[]> {
  let config: Config
  try {
    config = readConfig(options.environment, existsSync)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return error.faults.map(({ variable, message }) => ({
      check: 'configuration',
      status: 'fault',
      code: 'configuration_fault',
      message: `${variable} ${message}`,
    }))
  }
  return [configurationFinding(config), nodeFinding(), ...(await examineDatabase(config, options))]
}

function configurationFinding({ isDevelopment }: Config): Finding {
  if (!isDevelopment) return ok('configuration', 'Every setting is well formed.')
  return {
    check: 'configuration',
    status: 'warning',
    code: 'development_mode',
    message:
      'Development sign-in is on: anybody on this machine may be anybody. For real use set HALLPASS_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET.',
  }
}

function nodeFinding(): Finding {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 22) return ok('node', `Node ${process.versions.node}.`)
  return {
    check: 'node',
    status: 'warning',
    code: 'node_past_end_of_life',
    message: `Node ${process.versions.node} works, but gets no security fixes any more. Run Node 24.`,
  }
}

async function examineDatabase(config: Config, options: DoctorOptions): Promise<Finding[]> {
  const access = await openAsOperator(config, {
    ...options,
    migrate: false,
    mayCreate: false,
  }).catch(failed)
  if (access instanceof Error) return [unopenedFinding(access)]
  try {
    const pending = access.connected.pendingMigrationCount
    if (pending > 0) return [pendingFinding(pending)]
    await access.ctx.database.transaction((tx) =>
      appendEntry(tx, access.ctx, { action: 'examine-installation', outcome: 'ok' }),
    )
    return [
      await attempt('database', () => databaseFinding(access.ctx)),
      clockFinding(access.ctx),
      await attempt('keys', () => keyFinding(access.ctx)),
      await attempt('catalog', () => catalogFinding(access.ctx, config)),
      await attempt('audit', () => auditFinding(access.ctx)),
      await attempt('outbox', () => outboxFinding(access.ctx)),
    ]
  } finally {
    await access.close()
  }
}

function unopenedFinding(error: Error): Finding {
  const code =
    error instanceof NoDatabase
      ? 'no_database'
      : error instanceof MigrationFault
        ? 'database_incompatible'
        : 'database_unreachable'
  return { check: 'database', status: 'fault', code, message: error.message }
}

async function databaseFinding(ctx: OperationContext): Promise<Finding> {
  if (await ctx.database.read(areCommitsDurable)) {
    return ok('database', 'It answers, has this release’s schema, and keeps what it acknowledged.')
  }
  return {
    check: 'database',
    status: 'fault',
    code: 'commits_not_durable',
    message:
      'fsync or synchronous_commit is off, so a crash could lose an acknowledged revocation. Switch both on in Postgres.',
  }
}

function pendingFinding(count: number): Finding {
  return {
    check: 'database',
    status: 'fault',
    code: 'migrations_pending',
    message: `It lacks ${count} migration(s) of this release. Start the broker, or run: hallpass migrate`,
  }
}

function clockFinding({ clockMonitor }: OperationContext): Finding {
  const skew = clockMonitor.skewSeconds() ?? 0
  if (clockMonitor.isTrusted())
    return ok('clock', `${Math.abs(skew).toFixed(2)} s from the database’s.`)
  return {
    check: 'clock',
    status: 'fault',
    code: 'clock_skew',
    message: `This clock is ${skew.toFixed(1)} s from the database’s; above 2 s nothing is decided. Correct the time (NTP).`,
  }
}

async function keyFinding(ctx: OperationContext): Promise<Finding> {
  const { activeKid } = await checkSigningKeys(ctx)
  if (activeKid === undefined) {
    return {
      check: 'keys',
      status: 'warning',
      code: 'no_signing_key',
      message: 'There is no signing key yet. The broker makes one when it starts.',
    }
  }
  return ok('keys', `${activeKid} signs, and the master key opens every key.`)
}

async function catalogFinding(ctx: OperationContext, config: Config): Promise<Finding> {
  const file = config.catalogFile ?? join(installationRoot, 'example', 'hallpass.yaml')
  const { status, version, faults } = await catalogFileStatus(ctx, file)
  const [first] = faults
  if (first !== undefined) {
    const effect =
      version === undefined
        ? 'the broker does not start with it'
        : `it changes nothing, version ${version} stays in force`
    return {
      check: 'catalog',
      status: 'fault',
      code: 'catalog_faults',
      message: `${file} has ${faults.length} fault(s), so ${effect}. The first is at line ${first.line}: ${first.message} See: hallpass catalog check ${file}`,
    }
  }
  if (status === 'in_force') return ok('catalog', `${file} is in force, as version ${version}.`)
  if (status === 'catalog_reverted') {
    return {
      check: 'catalog',
      status: 'warning',
      code: 'catalog_reverted',
      message: `${file} equals an older version; version ${version} stays in force. Go back on purpose with: hallpass catalog apply ${file} --force`,
    }
  }
  return {
    check: 'catalog',
    status: 'warning',
    code: 'catalog_not_applied',
    message: `${file} was never applied. Start the broker, or run: hallpass catalog apply ${file}`,
  }
}

async function auditFinding(ctx: OperationContext): Promise<Finding> {
  if (await isLogWritable(ctx)) {
    return {
      check: 'audit',
      status: 'warning',
      code: 'audit_writable_by_application',
      message:
        'The application’s role owns the audit tables, so it could change them. Create a second role for DATABASE_URL and give the owning one as HALLPASS_OWNER_DATABASE_URL.',
    }
  }
  const lag = await sealLagSeconds(ctx)
  if (lag > 60) {
    return {
      check: 'audit',
      status: 'warning',
      code: 'audit_not_sealed',
      message: `An entry has waited ${Math.round(lag)} s for its place in the log. Is a broker running?`,
    }
  }
  return ok('audit', 'Only its own functions may write the log, and it is sealed.')
}

async function outboxFinding(ctx: OperationContext): Promise<Finding> {
  const { undeliverableCount, failingCount } = await ctx.database.read(outboxStatus)
  if (undeliverableCount === 0 && failingCount === 0) return ok('outbox', 'Nothing is stuck.')
  return {
    check: 'outbox',
    status: 'warning',
    code: 'deliveries_failing',
    message: `${failingCount} deliveries fail and are tried again; ${undeliverableCount} were given up and are kept. Check HALLPASS_WEBHOOK_URL and its receiver.`,
  }
}

function ok(check: string, message: string): Finding {
  return { check, status: 'ok', message }
}

function failed(error: unknown): Error {
  return error instanceof Error ? error : new Error('it cannot be opened')
}

async function attempt(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look()
  } catch (error) {
    const code = error instanceof HallpassError ? error.code : 'failed'
    return { check, status: 'fault', code, message: failed(error).message }
  }
}
