import { type SQL, sql } from 'drizzle-orm'
import type { Database, Transaction } from '../database/index.ts'
import { accessGrantTable } from '../database/schema/grants.ts'
import {
  grantScopeUsageTable,
  grantUsageTable,
  resourceEvidenceTable,
} from '../database/schema/usage.ts'
import type { GrantUse, Span } from './use-buffer.ts'

/** Evidence is written again only when it is older: a row that every replica writes must rest in between. */
const evidenceRestSeconds = 10

/**
 * Writes a batch in one transaction. Rows are taken in the order of their keys, so replicas that write the same
 * ones wait for each other and never in a circle; instants only move outwards, so a batch that is written twice
 * changes nothing. What names an unknown grant is left out.
 */
export async function writeUses(database: Database, uses: readonly GrantUse[]): Promise<void> {
  await database.transaction(async (tx) => {
    await writeGrantUses(tx, uses)
    await writeScopeUses(tx, uses)
    await writeEvidence(tx, uses)
  })
}

async function writeGrantUses(tx: Transaction, uses: readonly GrantUse[]): Promise<void> {
  const minted = uses.map((use) => use.minted)
  const used = uses.map((use) => use.used)
  const known = grantUsageTable
  await tx.db.execute(sql`
    insert into ${known} (grant_id, first_minted_at, last_minted_at, first_used_at, last_used_at)
    select e.grant_id, e.first_minted_at, e.last_minted_at, e.first_used_at, e.last_used_at
    from unnest(${texts(uses.map(({ grantId }) => grantId))}, ${firsts(minted)}, ${lasts(minted)},
        ${firsts(used)}, ${lasts(used)})
      as e (grant_id, first_minted_at, last_minted_at, first_used_at, last_used_at)
    where exists (select from ${accessGrantTable} where id = e.grant_id)
    order by e.grant_id collate "C"
    on conflict (grant_id) do update set
      first_minted_at = least(${known.firstMintedAt}, excluded.first_minted_at),
      last_minted_at = greatest(${known.lastMintedAt}, excluded.last_minted_at),
      first_used_at = least(${known.firstUsedAt}, excluded.first_used_at),
      last_used_at = greatest(${known.lastUsedAt}, excluded.last_used_at)`)
}

async function writeScopeUses(tx: Transaction, uses: readonly GrantUse[]): Promise<void> {
  const rows = uses.flatMap(({ grantId, scopes }) =>
    [...scopes].map(([scope, span]) => ({ grantId, scope, span })),
  )
  if (rows.length === 0) return
  const spans = rows.map(({ span }) => span)
  const known = grantScopeUsageTable
  await tx.db.execute(sql`
    insert into ${known} (grant_id, scope, first_used_at, last_used_at)
    select e.grant_id, e.scope, e.first_used_at, e.last_used_at
    from unnest(${texts(rows.map(({ grantId }) => grantId))}, ${texts(rows.map(({ scope }) => scope))},
        ${firsts(spans)}, ${lasts(spans)}) as e (grant_id, scope, first_used_at, last_used_at)
    where exists (select from ${accessGrantTable} where id = e.grant_id)
    order by e.grant_id collate "C", e.scope collate "C"
    on conflict (grant_id, scope) do update set
      first_used_at = least(${known.firstUsedAt}, excluded.first_used_at),
      last_used_at = greatest(${known.lastUsedAt}, excluded.last_used_at)`)
}

async function writeEvidence(tx: Transaction, uses: readonly GrantUse[]): Promise<void> {
  const seen = uses.filter(({ used }) => used !== undefined)
  if (seen.length === 0) return
  const known = resourceEvidenceTable
  await tx.db.execute(sql`
    insert into ${known} (resource, last_seen_at)
    select e.resource, e.last_seen_at
    from (
      select ${accessGrantTable.resource} as resource, max(u.at) as last_seen_at
      from unnest(${texts(seen.map(({ grantId }) => grantId))}, ${lasts(seen.map(({ used }) => used))})
        as u (grant_id, at)
      join ${accessGrantTable} on ${accessGrantTable.id} = u.grant_id
      group by ${accessGrantTable.resource}
    ) e
    where not exists (
      select from ${known} where ${known.resource} = e.resource
        and ${known.lastSeenAt} > e.last_seen_at - make_interval(secs => ${evidenceRestSeconds}))
    order by e.resource collate "C"
    on conflict (resource) do update set
      last_seen_at = greatest(${known.lastSeenAt}, excluded.last_seen_at)`)
}

function texts(values: readonly string[]): SQL {
  return sql`${sql.param([...values])}::text[]`
}

function firsts(spans: readonly (Span | undefined)[]): SQL {
  return instants(spans.map((span) => span?.first))
}

function lasts(spans: readonly (Span | undefined)[]): SQL {
  return instants(spans.map((span) => span?.last))
}

function instants(values: readonly (number | undefined)[]): SQL {
  const rendered = values.map((value) =>
    value === undefined ? null : new Date(value).toISOString(),
  )
  return sql`${sql.param(rendered)}::timestamptz[]`
}
