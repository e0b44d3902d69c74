import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedServer } from '../../src/database/embedded/index.ts'
import { runMigrations } from '../../src/database/index.ts'
import { databaseUrl, type PostgresFacts } from './postgres-facts.ts'

/**
 * One Postgres for the whole run: the embedded one in a temporary folder, or, with
 * HALLPASS_TEST_DATABASE_URL, a server that runs already, as a superuser of which the URL signs in.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.HALLPASS_TEST_DATABASE_URL
  const { facts, stop } = given === undefined ? await startEmbedded() : await useServer(given)
  try {
    await makeTemplate(facts)
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('postgres', facts)
  return stop
}

interface Prepared {
  readonly facts: PostgresFacts
  stop(): Promise<void>
}

async function startEmbedded(): Promise<Prepared> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'hallpass-test-'))
  chmodSync(dataDirectory, 0o711) // as root the server runs as nobody, who must pass
  const said: string[] = []
  const server = await startEmbeddedServer({
    dataDirectory,
    log: (message) => said.push(message),
    ownerMayCreateDatabases: true,
  }).catch((error: unknown) => {
    rmSync(dataDirectory, { recursive: true, force: true })
    throw error
  })
  const url = (role: 'owner' | 'application') => {
    const { host, port, user, database } = server.connection(role)
    return `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  }
  const owner = url('owner')
  return {
    facts: { admin: owner, owner, application: url('application'), template: 'hallpass_template' },
    stop: async () => {
      await server.stop()
      rmSync(dataDirectory, { recursive: true, force: true })
    },
  }
}

async function useServer(given: string): Promise<Prepared> {
  const run = randomBytes(4).toString('hex')
  const password = randomBytes(16).toString('hex')
  const [owner, application] = [`hallpass_owner_${run}`, `hallpass_app_${run}`]
  const admin = given.replace(/^(postgres(?:ql)?:\/\/)(?=\/)/, '$1localhost')
  const url = (role: string) => {
    const changed = new URL(admin)
    changed.searchParams.delete('user') // would win over the name in front
    changed.searchParams.delete('password')
    changed.username = role
    changed.password = password
    return changed.href
  }
  const template = `hallpass_template_${run}`
  const facts = { admin, owner: url(owner), application: url(application), template }
  const roles = [`create role ${owner} login createdb`, `create role ${application} login`]
  await ask(admin, ...roles.map((role) => `${role} password '${password}'`))
  return {
    facts,
    stop: async () => {
      await dropDatabasesOf(admin, owner)
      await ask(admin, `drop role ${owner}`, `drop role ${application}`)
    },
  }
}

/** Migrated once; every test database is a copy. Nobody may connect, so that copying never has to wait. */
async function makeTemplate(facts: PostgresFacts): Promise<void> {
  const owner = new URL(facts.owner).username
  await ask(facts.admin, `create database ${facts.template} owner ${owner}`)
  await runMigrations(
    { connectionString: databaseUrl(facts.owner, facts.template) },
    { applicationRole: new URL(facts.application).username },
  )
  await ask(
    facts.admin,
    `alter database ${facts.template} with is_template true allow_connections false`,
  )
}

async function dropDatabasesOf(admin: string, owner: string): Promise<void> {
  const { rows } = await ask(
    admin,
    `select datname as name from pg_database where datdba = '${owner}'::regrole`,
  )
  for (const { name } of rows) {
    await ask(admin, `alter database ${name} with is_template false`)
    await ask(admin, `drop database ${name} with (force)`)
  }
}

async function ask(url: string, ...statements: string[]): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    let last = await client.query('select 1')
    for (const statement of statements) last = await client.query(statement)
    return last
  } finally {
    await client.end()
  }
}
