import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { appendEntry, ensureAuditKey, sealEntries, sealLagSeconds } from '../../src/audit/index.ts'
import { openDatabase } from '../../src/database/index.ts'
import { createSecretBox } from '../../src/tokens/index.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import {
  checkpointsAndRoots,
  freshServices,
  named,
  record,
  recordSealed,
  sealedRows,
  tamper,
} from './support.ts'

let test: TestServices

beforeEach(async () => {
  test = await freshServices(createTestServices)
})

describe('sealing', () => {
  it('gives committed entries positions from 1 in the order they were written', async () => {
    await record(test, named(5))
    const sealing = await sealEntries(test.services)
    expect(sealing).toEqual({ sealedCount: 5, isSealedElsewhere: false })
    const rows = await sealedRows(test)
    expect(rows.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5])
    expect(rows.map(({ action }) => action)).toEqual(named(5))
  })

  it('keeps that order within one transaction, and when the clock was set back', async () => {
    const ctx = test.asPerson('alice@example.com')
    await ctx.database.transaction(async (tx) => {
      for (const action of named(10)) await appendEntry(tx, ctx, { action, outcome: 'ok' })
    })
    test.clock.advance(-3600)
    await record(test, named(2, 11))
    await sealEntries(test.services)
    expect((await sealedRows(test)).map(({ action }) => action)).toEqual(named(12))
  })

  it('signs the empty log at its first run, so that there is a checkpoint from the start', async () => {
    await sealEntries(test.services)
    await sealEntries(test.services)
    const checkpoints = await checkpointsAndRoots(test)
    expect(checkpoints.map(({ size }) => size)).toEqual([0])
  })

  it('signs one checkpoint each time, whose root is that of all entries up to it', async () => {
    await recordSealed(test, [1, 2, 5, 8, 1])
    const checkpoints = await checkpointsAndRoots(test)
    expect(checkpoints.map(({ size }) => size)).toEqual([1, 3, 8, 16, 17])
    for (const { root, recomputed } of checkpoints) expect(root).toEqual(recomputed)
  })

  it('does nothing when nothing waits', async () => {
    await recordSealed(test, [3])
    expect(await sealEntries(test.services)).toEqual({ sealedCount: 0, isSealedElsewhere: false })
    expect(await checkpointsAndRoots(test)).toHaveLength(1)
  })

  it('seals more than one transaction takes, batch after batch', async () => {
    await record(test, named(10))
    expect(await sealEntries(test.services, { batchSize: 4 })).toMatchObject({ sealedCount: 10 })
    const checkpoints = await checkpointsAndRoots(test)
    expect(checkpoints.map(({ size }) => size)).toEqual([4, 8, 10])
    for (const { root, recomputed } of checkpoints) expect(root).toEqual(recomputed)
  })

  it('leaves out what is not committed, and seals it once it is', async () => {
    const ctx = test.asPerson('alice@example.com')
    let letGo = () => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    let wrote = () => {}
    const isWritten = new Promise<void>((resolve) => {
      wrote = resolve
    })
    const slow = ctx.database.transaction(async (tx) => {
      await appendEntry(tx, ctx, { action: 'slow', outcome: 'ok' })
      wrote()
      await held
    })
    await isWritten
    test.clock.advance(1)
    await record(test, ['quick'])
    await sealEntries(test.services)
    expect((await sealedRows(test)).map(({ action }) => action)).toEqual(['quick'])
    letGo()
    await slow
    await sealEntries(test.services)
    expect((await sealedRows(test)).map(({ action }) => action)).toEqual(['quick', 'slow'])
  })

  it('never seals an entry whose transaction was rolled back', async () => {
    const ctx = test.asPerson('alice@example.com')
    const failed = ctx.database.transaction(async (tx) => {
      await appendEntry(tx, ctx, { action: 'undone', outcome: 'ok' })
      throw new Error('undo')
    })
    await expect(failed).rejects.toThrow('undo')
    await record(test, ['done'])
    await sealEntries(test.services)
    expect((await sealedRows(test)).map(({ action }) => action)).toEqual(['done'])
  })

  it('loses and doubles nothing with 16 writers and 4 sealers at once', async () => {
    const written: string[] = []
    let areWriting = true
    const others = await Promise.all([1, 2, 3].map(() => secondReplica(test)))
    const writer = async (number: number) => {
      const ctx = test.asPerson(`person${number}@example.com`)
      for (let count = 1; count <= 20; count += 1) {
        const action = `write-${number}-${count}`
        await ctx.database.transaction(async (tx) => {
          await appendEntry(tx, ctx, { action, outcome: 'ok' })
          // commits come in another order than the entries were written
          await sleep(Math.random() * 20)
        })
        written.push(action)
      }
    }
    let sealedWhileWriting = 0
    const sealer = async (services: TestServices['services']) => {
      while (areWriting) {
        const { sealedCount } = await sealEntries(services, { batchSize: 7 })
        sealedWhileWriting += sealedCount
        await sleep(Math.random() * 5)
      }
    }
    const sealers = [test.services, ...others].map(sealer)
    await Promise.all(Array.from({ length: 16 }, (_, number) => writer(number)))
    areWriting = false
    await Promise.all(sealers)
    const { sealedCount } = await sealEntries(test.services)

    const rows = await sealedRows(test)
    expect(rows.map(({ position }) => position)).toEqual(
      Array.from({ length: 320 }, (_, i) => i + 1),
    )
    expect(rows.map(({ action }) => action).sort()).toEqual(written.sort())
    expect(sealedWhileWriting + sealedCount).toBe(320)
    expect(sealedWhileWriting).toBeGreaterThan(0)
    for (const { root, recomputed } of await checkpointsAndRoots(test)) {
      expect(root).toEqual(recomputed)
    }
  })

  it('is left to the replica that is at it', async () => {
    await record(test, ['waits'])
    const outcome = await test.services.database.transaction(async (tx) => {
      await tx.db.execute('select pg_advisory_xact_lock(7133701926413)')
      return sealEntries(await secondReplica(test))
    })
    expect(outcome).toEqual({ sealedCount: 0, isSealedElsewhere: true })
    expect(await sealedRows(test)).toEqual([])
  })

  it('looks at the entries that wait, however long the log is', async () => {
    await tamper(
      test,
      `insert into audit_entry (id, position, at, action, actor_kind, actor_id, actor_via, outcome)
       select 'aud_' || n, n, now(), 'old', 'job', 'job', 'job', 'ok' from generate_series(1, 20000) n`,
    )
    await tamper(test, 'analyze audit_entry')
    await record(test, named(3))
    const { rows } = await tamper(
      test,
      `explain (analyze, format json)
       select * from audit_entry where position is null order by sequence limit 2000`,
    )
    const plan = JSON.stringify(rows[0]['QUERY PLAN'])
    expect(plan).toContain('"Index Name":"audit_entry_unsealed"')
    expect(plan).not.toContain('Seq Scan')
  })
})

describe('the age of what waits', () => {
  it('is that of the oldest committed entry, and 0 when all is sealed', async () => {
    expect(await sealLagSeconds(test.services)).toBe(0)
    await record(test, named(2))
    test.clock.advance(7)
    expect(await sealLagSeconds(test.services)).toBeCloseTo(7.002, 3)
    await sealEntries(test.services)
    expect(await sealLagSeconds(test.services)).toBe(0)
  })
})

describe("the log's key", () => {
  it('is made once, whoever is first, and named after the first issuer', async () => {
    const moved = { ...test.services, issuer: 'https://hallpass.example.com' }
    await Promise.all([1, 2, 3, 4].map(() => ensureAuditKey(test.services)))
    await ensureAuditKey(moved)
    await record(test, ['one'])
    await sealEntries(moved)
    const { rows } = await tamper(test, 'select verifier_key from audit_key')
    expect(rows).toHaveLength(1)
    expect(rows[0].verifier_key).toMatch(/^localhost:8080\+[0-9a-f]{8}\+/)
    expect(await checkpointsAndRoots(test)).toHaveLength(1)
  })

  it('is not in the database in plain text', async () => {
    await ensureAuditKey(test.services)
    const { rows } = await tamper(test, 'select verifier_key, private_sealed from audit_key')
    const identity = `audit_key ${rows[0].verifier_key}`
    const plain = test.services.secretBox.open(rows[0].private_sealed, identity)
    expect(rows[0].private_sealed.includes(plain.subarray(-32))).toBe(false)
    expect(() => test.services.secretBox.open(rows[0].private_sealed, 'another')).toThrow()
  })

  it('is encrypted again after a change of the master key, and stays the same key', async () => {
    await recordSealed(test, [2])
    const { rows: before } = await tamper(test, 'select * from audit_key')
    const masterKey = Buffer.alloc(32, 8)
    const during = createSecretBox({ masterKey, previousMasterKey: Buffer.alloc(32, 7) })
    await ensureAuditKey({ ...test.services, secretBox: during }, () => true)
    const { rows: after } = await tamper(test, 'select * from audit_key')
    expect(after[0].verifier_key).toBe(before[0].verifier_key)
    expect(after[0].private_sealed).not.toEqual(before[0].private_sealed)
    await record(test, ['later'])
    await sealEntries({ ...test.services, secretBox: createSecretBox({ masterKey }) })
    const checkpoints = await checkpointsAndRoots(test)
    expect(checkpoints.map(({ size }) => size)).toEqual([2, 3])
  })

  it('that cannot be opened stops sealing and loses nothing', async () => {
    await recordSealed(test, [1])
    await record(test, ['waits'])
    const secretBox = createSecretBox({ masterKey: Buffer.alloc(32, 9) })
    const sealing = sealEntries({ ...test.services, secretBox })
    await expect(sealing).rejects.toMatchObject({ code: 'cannot_decide' })
    expect(await sealEntries(test.services)).toMatchObject({ sealedCount: 1 })
  })
})

/** The same database through connections of its own. */
async function secondReplica(of: TestServices): Promise<TestServices['services']> {
  const database = openDatabase(of.database.applicationConnection, { maxConnections: 4 })
  onTestFinished(() => database.close())
  return { ...of.services, database }
}
