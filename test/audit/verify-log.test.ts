import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { sealEntries } from '../../src/audit/index.ts'
import { type LogReport, verifyLog } from '../../src/audit/reading/index.ts'
import { formatVerifierKey } from '../../src/audit/signed-note.ts'
import { createTestServices, type TestServices } from '../support/context.ts'
import { forgeHashes, forgeLog, replacedKey, stolenKey } from './forge.ts'
import {
  freshServices,
  named,
  onlyRow,
  record,
  recordSealed,
  tamper,
  temporaryFolder,
} from './support.ts'

// 13 entries; checkpoints at 3, 7 and 13, in the database and in the file
const batches = [3, 4, 6]
const sizes = [3, 7, 13]

let test: TestServices
let file: string

beforeEach(async () => {
  test = await freshServices(createTestServices)
  file = join(await temporaryFolder(), 'checkpoints')
  await recordSealed(test, batches, file)
})

function verify(...checkpointFiles: readonly string[]): Promise<LogReport> {
  return verifyLog(test.asOperator(), { checkpointFiles })
}

async function findingOf(...checkpointFiles: readonly string[]) {
  const { isIntact, finding } = await verify(...checkpointFiles)
  expect(isIntact).toBe(finding === null)
  return finding === null ? null : [finding.kind, finding.position, finding.upTo]
}

const edit = (position: number) =>
  tamper(test, `update audit_entry set actor_id = 'mallory@example.com' where position = $1`, [
    position,
  ])

/** Entries move down by one from `position` on, as if the one before had never been. */
const closeGap = (position: number) =>
  tamper(test, 'update audit_entry set position = position - 1 where position > $1', [position])

const dropUniqueness = () => tamper(test, 'drop index audit_entry_position')

describe('a log as it was sealed', () => {
  it('is intact, by itself and against the file', async () => {
    expect(await verify()).toMatchObject({
      isIntact: true,
      size: 13,
      checkpointCount: 3,
      outsideCheckpointCount: 0,
      unsealedCount: 0,
      finding: null,
    })
    expect(await verify(file)).toMatchObject({
      isIntact: true,
      outsideCheckpointCount: 3,
      unreadableCount: 0,
    })
  })

  it('tells the root and the key that its checkpoints state', async () => {
    const { root, verifierKey } = await verify()
    const stored = await onlyRow(test, 'select root from audit_checkpoint where size = 13')
    const key = await onlyRow(test, 'select verifier_key from audit_key')
    expect(root).toBe(stored.root.toString('base64'))
    expect(verifierKey).toBe(key.verifier_key)
  })

  it('is intact while entries wait, and says how many', async () => {
    await record(test, named(2, 14))
    expect(await verify(file)).toMatchObject({ isIntact: true, size: 13, unsealedCount: 2 })
  })

  it('is intact after every verification, each of which is an entry', async () => {
    await verify()
    await sealEntries(test.services)
    expect(await verify(file)).toMatchObject({ isIntact: true, size: 14 })
    const entry = await onlyRow(test, 'select * from audit_entry where position = 14')
    expect(entry).toMatchObject({
      action: 'verify-audit',
      actor_kind: 'operator',
      details: { is_intact: true, size: 13, finding: null, position: null },
    })
  })

  it('is intact while others write, seal and file', async () => {
    let isBusy = true
    const writing = (async () => {
      for (let from = 14; isBusy; from += 3) {
        await record(test, named(3, from))
        await sealEntries(test.services, { checkpointFile: file })
      }
    })()
    for (let round = 0; round < 10; round += 1) expect(await findingOf(file)).toBeNull()
    isBusy = false
    await writing
    expect((await verify(file)).size).toBeGreaterThan(13)
  })
})

describe('an edited entry', () => {
  it('is named wherever it is', async () => {
    for (let position = 1; position <= 13; position += 1) {
      const { actor_id } = await onlyRow(
        test,
        `select actor_id from audit_entry where position = ${position}`,
      )
      await edit(position)
      expect(await findingOf()).toEqual(['edited', position, position])
      await tamper(test, 'update audit_entry set actor_id = $1 where position = $2', [
        actor_id,
        position,
      ])
    }
    expect(await findingOf()).toBeNull()
  })

  it.each([
    `id = 'aud_another'`,
    `at = at + interval '1 millisecond'`,
    `action = 'another'`,
    `actor_kind = 'job'`,
    `actor_id = 'mallory@example.com'`,
    `actor_via = 'slack'`,
    `subject = 'mallory@example.com'`,
    `resource = 'billing-api'`,
    `request_id = 'req_1'`,
    `grant_id = 'grt_1'`,
    `outcome = 'refused'`,
    `code = 'self_review'`,
    `details = '{"a": 1}'`,
    `details = '{"a": 1e999}'`,
  ])('is found when %s', async (change) => {
    await tamper(test, `update audit_entry set ${change} where position = 6`)
    expect(await findingOf()).toEqual(['edited', 6, 6])
  })

  it('is named first when there are several', async () => {
    await edit(11)
    await edit(4)
    expect(await findingOf(file)).toEqual(['edited', 4, 4])
    expect((await verify()).size).toBe(3)
  })

  it('is narrowed down when its leaf hash was changed too', async () => {
    await edit(6)
    const { rows } = await tamper(test, 'select * from audit_node')
    const roots = await forgeHashes(test)
    expect(roots.size).toBe(14)
    for (const { level, index, hash } of rows.filter((node) => node.level > 0)) {
      await tamper(test, 'update audit_node set hash = $3 where level = $1 and index = $2', [
        level,
        index,
        hash,
      ])
    }
    expect(await findingOf()).toEqual(['edited', 5, 6])
  })

  it('is found by the next checkpoint when every hash was computed anew', async () => {
    await edit(6)
    await forgeHashes(test)
    expect(await findingOf()).toEqual(['rewritten', 4, 7])
  })
})

describe('a removed entry', () => {
  it('is named when it leaves a gap', async () => {
    await tamper(test, 'delete from audit_entry where position = 5')
    expect(await findingOf()).toEqual(['missing', 5, 5])
  })

  it('is named at the beginning', async () => {
    await tamper(test, 'delete from audit_entry where position <= 2')
    expect(await findingOf()).toEqual(['missing', 1, 2])
  })

  it('is named when the others were moved up', async () => {
    await dropUniqueness()
    await tamper(test, 'delete from audit_entry where position = 5')
    await closeGap(5)
    expect(await findingOf()).toEqual(['moved', 5, 5])
  })

  it('is named at the end', async () => {
    await tamper(test, 'delete from audit_entry where position > 10')
    expect(await findingOf()).toEqual(['missing', 11, 13])
  })

  it('is named at the end when only its hashes are left', async () => {
    await tamper(test, 'delete from audit_entry where position > 7')
    await tamper(test, 'delete from audit_checkpoint where size > 7')
    expect(await findingOf()).toEqual(['missing', 8, 13])
  })

  it('is found by the file alone when hashes and checkpoints went with it', async () => {
    await tamper(test, 'delete from audit_entry where position > 7')
    await forgeLog(test, [3, 7], await stolenKey(test))
    expect(await findingOf()).toBeNull()
    expect(await findingOf(file)).toEqual(['missing', 8, 13])
  })

  it('is found when the log was emptied', async () => {
    await tamper(test, 'truncate audit_entry, audit_node, audit_checkpoint')
    expect(await findingOf(file)).toEqual(['missing', 1, 3])
    await tamper(test, 'truncate audit_key')
    expect(await findingOf(file)).toEqual(['other_key', 1, 1])
  })
})

describe('entries in another order', () => {
  it('are named at the first that is out of place', async () => {
    await dropUniqueness()
    await tamper(
      test,
      `update audit_entry set position = case position when 4 then 9 else 4 end
       where position in (4, 9)`,
    )
    const { finding } = await verify()
    expect(finding).toMatchObject({ kind: 'moved', position: 4, upTo: 4 })
    expect(finding?.message).toContain('sealed at position 9')
  })

  it('are found by a checkpoint when every hash was computed anew', async () => {
    await dropUniqueness()
    await tamper(
      test,
      `update audit_entry set position = case position when 9 then 10 else 9 end
       where position in (9, 10)`,
    )
    await forgeHashes(test)
    expect(await findingOf()).toEqual(['rewritten', 8, 13])
  })
})

describe('an added entry', () => {
  const add = (position: number) =>
    tamper(
      test,
      `insert into audit_entry (id, position, at, action, actor_kind, actor_id, actor_via, outcome)
       values ('aud_forged', $1, now(), 'forged', 'person', 'alice@example.com', 'api', 'ok')`,
      [position],
    )

  it('is named in the middle', async () => {
    await dropUniqueness()
    await tamper(test, 'update audit_entry set position = position + 1 where position >= 5')
    await add(5)
    expect(await findingOf()).toEqual(['edited', 5, 5])
  })

  it('is named when it shares a position', async () => {
    await dropUniqueness()
    await add(13)
    const finding = await findingOf()
    expect(finding?.slice(1)).toEqual([13, 13])
  })

  it('is named at the end', async () => {
    await add(14)
    expect(await findingOf()).toEqual(['edited', 14, 14])
    await forgeHashes(test)
    expect(await findingOf()).toEqual(['unsigned', 14, 14])
  })
})

describe('a log rewritten whole', () => {
  it('is found by its signatures when the key was not at hand', async () => {
    await edit(6)
    const roots = await forgeHashes(test)
    for (const size of sizes) {
      await tamper(test, 'update audit_checkpoint set root = $1 where size = $2', [
        roots.get(size),
        size,
      ])
    }
    expect(await findingOf()).toEqual(['bad_checkpoint', 4, 7])
  })

  it('is found by the file alone when it was signed with its own key', async () => {
    await edit(6)
    await forgeLog(test, sizes, await stolenKey(test))
    expect(await findingOf()).toBeNull()
    expect(await findingOf(file)).toEqual(['rewritten', 4, 7])
  })

  it('is found by the file when its checkpoints are at other sizes', async () => {
    await edit(9)
    await forgeLog(test, [13], await stolenKey(test))
    expect(await findingOf()).toBeNull()
    expect(await findingOf(file)).toEqual(['rewritten', 8, 13])
  })

  it('is found by the file when its key was replaced', async () => {
    await edit(6)
    await forgeLog(test, sizes, await replacedKey(test))
    expect(await findingOf()).toBeNull()
    expect((await findingOf(file))?.[0]).toBe('other_key')
  })

  it('is found by a key that was kept', async () => {
    const verifierKey = formatVerifierKey(await stolenKey(test))
    await edit(6)
    await forgeLog(test, sizes, await replacedKey(test))
    const { finding } = await verifyLog(test.asOperator(), { verifierKey })
    expect(finding).toMatchObject({ kind: 'other_key', position: 1, upTo: 3 })
  })
})

describe('what the log is checked with', () => {
  it.each([
    ['a leaf hash', 'level = 0 and index = 4', ['edited', 5, 5]],
    ['a subtree of two', 'level = 1 and index = 3', ['edited', 7, 8]],
    ['a subtree of eight', 'level = 3', ['edited', 1, 8]],
  ])('is found damaged or missing: %s', async (_, which, finding) => {
    await tamper(test, `update audit_node set hash = sha256('x') where ${which}`)
    expect(await findingOf()).toEqual(finding)
    await tamper(test, `delete from audit_node where ${which}`)
    expect(await findingOf()).toEqual(finding)
  })

  it('is found damaged: a checkpoint', async () => {
    await tamper(test, `update audit_checkpoint set note = 'x' where size = 7`)
    expect(await findingOf()).toEqual(['bad_checkpoint', 4, 7])
  })

  it('is found missing: the last checkpoint', async () => {
    await tamper(test, 'delete from audit_checkpoint where size = 13')
    expect(await findingOf()).toEqual(['unsigned', 8, 13])
  })

  it('is found in the place of another: a checkpoint', async () => {
    await tamper(
      test,
      `update audit_checkpoint set note = (select note from audit_checkpoint where size = 3)
       where size = 13`,
    )
    expect(await findingOf()).toEqual(['bad_checkpoint', 8, 13])
  })

  it('is found missing: the key', async () => {
    await tamper(test, 'delete from audit_key')
    expect(await findingOf()).toEqual(['other_key', 1, 1])
  })
})

describe('who may verify', () => {
  it('is not just anybody', async () => {
    const refused = verifyLog(test.asWorkload('invoice-bot'), {})
    await expect(refused).rejects.toMatchObject({ name: 'HallpassError' })
  })

  it.each([
    ['not-a-key', 'not a verifier key'],
    ['', 'not a verifier key'],
  ])('is told that %j is no key', async (verifierKey, message) => {
    await expect(verifyLog(test.asOperator(), { verifierKey })).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining(message),
    })
  })
})
