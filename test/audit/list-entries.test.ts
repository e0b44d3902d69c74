import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/audit/checkpoint.ts'
import { appendEntry, type EntryFacts, sealEntries } from '../../src/audit/index.ts'
import { verifyConsistency, verifyInclusion } from '../../src/audit/proofs.ts'
import {
  type EntryFilter,
  type EntryView,
  getCheckpoint,
  getVerifierKey,
  listEntries,
  proveEntry,
  proveGrowth,
} from '../../src/audit/reading/index.ts'
import { parseVerifierKey } from '../../src/audit/signed-note.ts'
import { applyCatalog } from '../../src/catalog/index.ts'
import type { OperationContext } from '../../src/context.ts'
import { exampleCatalogText, useTestServices } from '../support/context.ts'
import { onlyRow, tamper } from './support.ts'

const test = await useTestServices({ startAt: new Date('2026-03-01T12:00:00Z') })
const sam = test.asPerson('sam@example.com')

/** What the log holds before the tests read it; one a minute. */
const written: readonly Partial<EntryFacts>[] = [
  { action: 'submit-request', subject: 'alice@example.com', resource: 'billing-api' },
  { action: 'review-request', subject: 'alice@example.com', resource: 'billing-api' },
  { action: 'mint-token', subject: 'alice@example.com', grantId: 'grt_1' },
  { action: 'submit-request', subject: 'dana@example.com', resource: 'ledger-api' },
  { action: 'mint-token', subject: 'dana@example.com', grantId: 'grt_2' },
  { action: 'revoke-grant', subject: 'alice@example.com', grantId: 'grt_1' },
]
let first = 0

beforeAll(async () => {
  await applyCatalog(test.asOperator(), { content: exampleCatalogText() })
  await sealEntries(test.services)
  first = Number((await onlyRow(test, 'select max(position) from audit_entry')).max) + 1
  const ctx = test.asPerson('alice@example.com')
  for (const facts of written) {
    test.clock.advance(60)
    await ctx.database.transaction((tx) =>
      appendEntry(tx, ctx, { outcome: 'ok', action: 'none', ...facts }),
    )
  }
  await sealEntries(test.services)
})

/** Of the entries above: which ones came, as 0, 1, … */
async function found(filter: EntryFilter): Promise<readonly number[]> {
  const { items } = await listEntries(sam, { after: first - 1, ...filter })
  return items
    .filter(({ action }) => action !== 'read-audit')
    .map(({ position }) => (position ?? 0) - first)
}

const minute = (number: number) => new Date(Date.parse('2026-03-01T12:00:00Z') + number * 60_000)

describe('reading the log', () => {
  it('shows an entry whole, with its position and its leaf hash', async () => {
    const { items } = await listEntries(sam, { after: first - 1, limit: 1 })
    const leaf = await onlyRow(
      test,
      `select hash from audit_node where level = 0 and index = ${first - 1}`,
    )
    expect(items).toEqual([
      {
        position: first,
        id: expect.stringMatching(/^aud_/),
        at: minute(1),
        action: 'submit-request',
        actor: { kind: 'person', id: 'alice@example.com', via: 'api' },
        subject: 'alice@example.com',
        resource: 'billing-api',
        requestId: null,
        grantId: null,
        outcome: 'ok',
        code: null,
        details: {},
        hash: leaf.hash.toString('base64'),
      },
    ])
  })

  it.each<[string, EntryFilter, readonly number[]]>([
    ['everything', {}, [0, 1, 2, 3, 4, 5]],
    ['a subject', { subject: 'alice@example.com' }, [0, 1, 2, 5]],
    ['an action', { action: 'mint-token' }, [2, 4]],
    ['a grant', { grant: 'grt_1' }, [2, 5]],
    ['a resource', { resource: 'billing-api' }, [0, 1]],
    ['a time, from inclusive', { from: minute(3) }, [2, 3, 4, 5]],
    ['a time, to exclusive', { to: minute(3) }, [0, 1]],
    ['a span', { from: minute(2), to: minute(5) }, [1, 2, 3]],
    ['several at once', { subject: 'dana@example.com', action: 'mint-token' }, [4]],
    ['nothing like it', { subject: 'alice' }, []],
  ])('narrows to %s', async (_, filter, expected) => {
    expect(await found(filter)).toEqual(expected)
  })

  it('pages through everything once, whatever is written meanwhile', async () => {
    const seen: EntryView[] = []
    let cursor: string | null = '0'
    for (let page = 0; cursor !== null && page < 40; page += 1) {
      const { items, nextCursor } = await listEntries(sam, {
        after: Number(cursor),
        limit: 3,
        to: minute(60),
      })
      expect(items.length).toBeLessThanOrEqual(3)
      seen.push(...items)
      cursor = nextCursor
    }
    const { rows } = await tamper(
      test,
      'select id from audit_entry where position is not null order by position',
    )
    expect(seen.map(({ id }) => id)).toEqual(rows.map(({ id }) => id))
  })

  it('ends without a cursor when the page holds exactly the rest', async () => {
    const answer = await listEntries(sam, { action: 'mint-token', limit: 2 })
    expect(answer.items).toHaveLength(2)
    expect(answer.nextCursor).toBeNull()
    const { nextCursor } = await listEntries(sam, { action: 'mint-token', limit: 1 })
    expect(nextCursor).toBe(String(first + 2))
  })

  it('leaves unsealed entries out unless asked for, then puts them at the end', async () => {
    await sealEntries(test.services)
    await listEntries(sam, { limit: 1 }) // an entry that waits
    const without = await listEntries(sam, { action: 'read-audit', limit: 200 })
    expect(without.items.every(({ position }) => position !== null)).toBe(true)
    const { items } = await listEntries(sam, {
      action: 'read-audit',
      limit: 200,
      isWithUnsealed: true,
    })
    const firstUnsealed = items.findIndex(({ position }) => position === null)
    expect(firstUnsealed).toBe(without.items.length)
    expect(items.slice(firstUnsealed).map(({ position }) => position)).toEqual([null, null])
    const shown = items.at(-1)
    await sealEntries(test.services)
    const sealed = (await listEntries(sam, { limit: 200 })).items.find(({ id }) => id === shown?.id)
    expect(sealed?.position).toBeGreaterThan(0)
    expect(sealed?.hash).toBe(shown?.hash)
  })

  it('goes on after the last sealed one while unsealed ones fill the page', async () => {
    await listEntries(sam, { limit: 1 })
    await listEntries(sam, { limit: 1 })
    const last = Number((await onlyRow(test, 'select max(position) from audit_entry')).max)
    const page = await listEntries(sam, { after: last - 1, limit: 2, isWithUnsealed: true })
    expect(page.items.map(({ position }) => position)).toEqual([last, null])
    expect(page.nextCursor).toBe(String(last))
    const stuck = await listEntries(sam, { after: last, limit: 1, isWithUnsealed: true })
    expect(stuck.nextCursor).toBe(String(last))
  })

  it('is an entry itself, which says what was asked', async () => {
    await listEntries(sam, { subject: 'dana@example.com', from: minute(1), isWithUnsealed: true })
    const entry = await onlyRow(
      test,
      `select * from audit_entry where action = 'read-audit' order by sequence desc limit 1`,
    )
    expect(entry).toMatchObject({
      actor_id: 'sam@example.com',
      outcome: 'ok',
      details: {
        filter: {
          subject: 'dana@example.com',
          from: '2026-03-01T12:01:00.000Z',
          unsealed: true,
        },
        entry_count: 2,
      },
    })
  })

  it.each([0, 201, 1.5, -1])('refuses a limit of %d', async (limit) => {
    await expect(listEntries(sam, { limit })).rejects.toMatchObject({ code: 'invalid_input' })
  })
})

describe('who may read', () => {
  const calls: readonly [string, (ctx: OperationContext) => Promise<unknown>][] = [
    ['entries', (ctx) => listEntries(ctx, {})],
    ['the checkpoint', getCheckpoint],
    ['the verifier key', getVerifierKey],
    ['proofs of entries', (ctx) => proveEntry(ctx, { position: 1 })],
    ['proofs of growth', (ctx) => proveGrowth(ctx, { from: 1 })],
  ]

  it.each(calls)('%s: admins and operators', async (_, run) => {
    await expect(run(sam)).resolves.toBeDefined()
    await expect(run(test.asOperator())).resolves.toBeDefined()
  })

  it.each(calls)('%s: nobody else, and the attempt is on record', async (_, run) => {
    const others = [
      test.asPerson('alice@example.com'),
      test.asPerson('bob@example.com', 'slack'),
      test.asWorkload('invoice-bot'),
      test.as({ kind: 'resource', id: 'billing-api', via: 'resource_credential' }),
      test.asJob('seal-entries'),
    ]
    for (const ctx of others) {
      await expect(run(ctx)).rejects.toMatchObject({ code: 'not_permitted' })
      const entry = await onlyRow(
        test,
        'select * from audit_entry where position is null order by sequence desc limit 1',
      )
      expect(entry).toMatchObject({
        actor_id: ctx.actor.id,
        outcome: 'refused',
        code: 'not_permitted',
      })
    }
    await sealEntries(test.services)
  })
})

describe('proofs', () => {
  const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, 'base64'))

  it('hold for every entry against the newest checkpoint', async () => {
    const checkpoint = openCheckpoint(
      await getCheckpoint(sam),
      parseVerifierKey(await getVerifierKey(sam)),
    )
    const { items } = await listEntries(sam, { limit: 200 })
    expect(items.length).toBeGreaterThan(5)
    for (const { position, hash } of items) {
      if (position === null) throw new Error('an unsealed entry was not asked for')
      const answer = await proveEntry(sam, { position })
      expect(answer).toMatchObject({ position, hash, size: checkpoint.size })
      expect(answer.root).toBe(checkpoint.root.toString('base64'))
      const claim = {
        index: position - 1,
        size: answer.size,
        leaf: Buffer.from(hash, 'base64'),
        proof: bytes(answer.proof),
        root: checkpoint.root,
      }
      expect(verifyInclusion(claim)).toBe(true)
    }
  })

  it('hold between any size and the newest checkpoint', async () => {
    const { size: to, root } = openCheckpoint(
      await getCheckpoint(sam),
      parseVerifierKey(await getVerifierKey(sam)),
    )
    for (let from = 0; from <= to; from += 1) {
      const answer = await proveGrowth(sam, { from })
      const [fromRoot, toRoot] = bytes([answer.fromRoot, answer.toRoot])
      if (fromRoot === undefined || toRoot === undefined) throw new Error('roots are missing')
      expect(toRoot).toEqual(root)
      expect(verifyConsistency({ from, to, fromRoot, toRoot, proof: bytes(answer.proof) })).toBe(
        true,
      )
    }
  })

  it('can be asked for a log of an earlier size', async () => {
    const stored = await onlyRow(
      test,
      'select size::int, root from audit_checkpoint order by size offset 2 limit 1',
    )
    const answer = await proveEntry(sam, { position: 1, size: stored.size })
    expect(answer.root).toBe(stored.root.toString('base64'))
    const growth = await proveGrowth(sam, { from: 1, to: stored.size })
    expect(growth.toRoot).toBe(stored.root.toString('base64'))
  })

  it.each([
    () => proveEntry(sam, { position: 0 }),
    () => proveEntry(sam, { position: 1_000_000 }),
    () => proveEntry(sam, { position: 2, size: 1 }),
    () => proveEntry(sam, { position: 1, size: 1_000_000 }),
    () => proveEntry(sam, { position: 1.5 }),
    () => proveGrowth(sam, { from: -1 }),
    () => proveGrowth(sam, { from: 2, to: 1 }),
    () => proveGrowth(sam, { from: 1, to: 1_000_000 }),
  ])('are refused for what is not in the log', async (run) => {
    await expect(run()).rejects.toMatchObject({
      code: 'invalid_input',
      options: { errors: [{ pointer: expect.stringMatching(/^\//) }] },
    })
  })
})
