import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { installationRoot } from '../installation.ts'
import type { ConnectionSettings, Queryable } from './database.ts'

const migrationsFolder = join(installationRoot, 'migrations')
const migrationLock = '7133701926412'
/** Raised together with a migration that this code cannot run before; a database that asks for more is refused. */
const codeGeneration = 1

/** The database cannot be used as it is; `message` says how to mend it. */
export class MigrationFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MigrationFault'
  }
}

/**
 * Brings the database to this code's schema, one replica at a time, and grants the application's role what
 * it needs. Drizzle's migrator has no lock, skips files that arrive out of order and compares no hashes:
 * lock and checks are here. Safe to call from any number of replicas at once.
 */
export async function runMigrations(
  owner: ConnectionSettings,
  options: { readonly applicationRole?: string } = {},
): Promise<{ readonly applied: number }> {
  const client = await connectAsOwner(owner)
  try {
    await client.query('select pg_advisory_lock($1)', [migrationLock])
    await refuseUnfit(client)
    const before = await checkApplied(client)
    await migrate(drizzle(client), { migrationsFolder })
    const after = await checkApplied(client)
    if (options.applicationRole !== undefined) {
      await grantRights(client, options.applicationRole)
    }
    return { applied: after - before }
  } finally {
    // ending the connection also lets the lock go
    await client.end()
  }
}

/** How many migrations of this release the database lacks; throws MigrationFault as runMigrations does. Changes nothing. */
export async function countPendingMigrations(owner: ConnectionSettings): Promise<number> {
  const client = await connectAsOwner(owner)
  try {
    await refuseUnfit(client)
    const applied = await checkApplied(client)
    return Math.max(0, readMigrationFiles({ migrationsFolder }).length - applied)
  } finally {
    await client.end()
  }
}

async function connectAsOwner(owner: ConnectionSettings): Promise<pg.Client> {
  const client = new pg.Client({
    ...owner,
    application_name: 'hallpass-migrations',
    connectionTimeoutMillis: 5_000,
    lock_timeout: 120_000,
  })
  client.on('error', () => {}) // what breaks while idle is told by the next statement
  await client.connect()
  return client
}

async function refuseUnfit(client: pg.Client): Promise<void> {
  await refuseOldPostgres(client)
  await refuseNewerDatabase(client)
}

async function refuseOldPostgres(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number }>(
    `select current_setting('server_version_num')::int as number`,
  )
  if ((rows[0]?.number ?? 0) < 150000) {
    throw new MigrationFault('Hallpass needs Postgres 15 or newer. Upgrade the server.')
  }
}

async function refuseNewerDatabase(client: pg.Client): Promise<void> {
  const exists = await client.query(`select to_regclass('public.compatibility') as name`)
  if (exists.rows[0]?.name == null) return
  await requireCompatible(drizzle(client))
}

/** Throws MigrationFault when a newer release marked the database as too new for this code. */
export async function requireCompatible(db: Queryable): Promise<void> {
  const { rows } = await db.execute<{ minimum_generation: number }>(
    sql`select minimum_generation from compatibility`,
  )
  const minimum = rows[0]?.minimum_generation ?? 0
  if (minimum > codeGeneration) {
    throw new MigrationFault(
      `This database is marked incompatible with this release (it needs generation ${minimum}, this is ${codeGeneration}). Start a newer release of Hallpass.`,
    )
  }
}

/** Every applied migration must be one of ours, unchanged, in order. Newer ones are another release's and fine. */
async function checkApplied(client: pg.Client): Promise<number> {
  const exists = await client.query(`select to_regclass('drizzle.__drizzle_migrations') as name`)
  if (exists.rows[0]?.name == null) return 0
  const { rows } = await client.query<{ hash: string; created_at: string }>(
    'select hash, created_at from drizzle.__drizzle_migrations order by created_at',
  )
  const ours = readMigrationFiles({ migrationsFolder })
  const applied = new Map(rows.map((row) => [Number(row.created_at), row.hash]))
  const newest = Math.max(0, ...applied.keys())
  for (const migration of ours) {
    const hash = applied.get(migration.folderMillis)
    if (hash === undefined && migration.folderMillis < newest) {
      throw new MigrationFault(
        'A migration of this release was never applied though a later one was. Restore the database from before, or ask for help: the order of migrations was changed.',
      )
    }
    if (hash !== undefined && hash !== migration.hash) {
      throw new MigrationFault(
        'A migration that was applied to this database differs from the file of this release. Use the release that made this database.',
      )
    }
  }
  return rows.length
}

/**
 * What the application may do: all rows of all tables, but the audit log only through its functions.
 * Nothing here needs the right to create roles: the role must exist.
 */
async function grantRights(client: pg.Client, role: string): Promise<void> {
  const name = client.escapeIdentifier(role)
  await client.query(`
    grant usage on schema public to ${name};
    grant select, insert, update, delete on all tables in schema public to ${name};
    grant usage, select on all sequences in schema public to ${name};
    revoke insert, update, delete, truncate on compatibility from ${name};
    do $$
    declare guarded regclass;
    begin
      for guarded in
        select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname like 'audit\\_%'
      loop
        execute format('revoke all on %s from %I', guarded, ${client.escapeLiteral(role)});
        execute format('grant select on %s to %I', guarded, ${client.escapeLiteral(role)});
      end loop;
    end $$;
    grant execute on function append_audit_entry, seal_audit_entries, create_audit_key, reseal_audit_key
      to ${name};
  `)
}
