import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { openCheckpoint } from '../../src/audit/checkpoint.ts'
import { appendEntry, type EntryFacts, sealEntries } from '../../src/audit/index.ts'
import { growTree } from '../../src/audit/merkle.ts'
import { parseVerifierKey } from '../../src/audit/signed-note.ts'
import type { TestServices } from '../support/context.ts'

/** A statement as the tables' owner, whom nothing keeps from tampering. */
export async function tamper(
  test: TestServices,
  statement: string,
  values: readonly unknown[] = [],
): Promise<pg.QueryResult> {
  const client = new pg.Client(test.database.ownerConnection)
  await client.connect()
  try {
    return await client.query(statement, [...values])
  } finally {
    await client.end()
  }
}

/** Appends entries, one transaction each; `action` tells them apart. */
export async function record(
  test: TestServices,
  actions: readonly string[],
  facts: Partial<EntryFacts> = {},
): Promise<void> {
  const ctx = test.asPerson('alice@example.com')
  for (const action of actions) {
    await ctx.database.transaction((tx) =>
      appendEntry(tx, ctx, { outcome: 'ok', ...facts, action }),
    )
    test.clock.advance(0.001)
  }
}

/** `entry-1` to `entry-count` */
export function named(count: number, from = 1): readonly string[] {
  return Array.from({ length: count }, (_, index) => `entry-${from + index}`)
}

/** Records and seals `sizes[0]` entries, then `sizes[1]`, …: one checkpoint each. */
export async function recordSealed(
  test: TestServices,
  sizes: readonly number[],
  checkpointFile?: string,
): Promise<void> {
  let from = 1
  for (const size of sizes) {
    await record(test, named(size, from))
    await sealEntries(test.services, { checkpointFile })
    from += size
  }
}

export interface SealedRow {
  readonly position: number
  readonly id: string
  readonly action: string
  readonly hash: Buffer
}

export async function sealedRows(test: TestServices): Promise<readonly SealedRow[]> {
  const { rows } = await tamper(
    test,
    `select e.position::int, e.id, e.action, n.hash
     from audit_entry e join audit_node n on n.level = 0 and n.index = e.position - 1
     order by e.position`,
  )
  return rows
}

/** Every stored checkpoint, opened with the stored key, beside the root of the stored leaves at its size. */
export async function checkpointsAndRoots(test: TestServices) {
  const { rows: keys } = await tamper(test, 'select verifier_key from audit_key')
  const key = parseVerifierKey(keys[0].verifier_key)
  const { rows } = await tamper(test, 'select note from audit_checkpoint order by size')
  const leaves = (await sealedRows(test)).map(({ hash }) => hash)
  return rows.map(({ note }) => {
    const { size, root } = openCheckpoint(note, key)
    const tree = growTree()
    for (const leaf of leaves.slice(0, size)) tree.append(leaf)
    return { size, root, recomputed: tree.root() }
  })
}

/** A folder of this test's own. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hallpass-audit-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Services of a fresh database, closed after the test. */
export async function freshServices(create: () => Promise<TestServices>): Promise<TestServices> {
  const test = await create()
  onTestFinished(() => test.close())
  return test
}

/** The one row that a statement answers. */
export async function onlyRow(test: TestServices, statement: string) {
  const { rows } = await tamper(test, statement)
  if (rows.length !== 1) throw new Error(`expected one row, got ${rows.length}`)
  return rows[0]
}
