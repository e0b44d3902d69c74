import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { sealEntries } from '../../src/audit/index.ts'
import { verifyLog } from '../../src/audit/reading/index.ts'
import { useTestServices } from '../support/context.ts'
import { onlyRow, tamper, temporaryFolder } from './support.ts'

// more than two pages of a verification, and no multiple of one
const count = 4_500
const test = await useTestServices()

beforeAll(async () => {
  await tamper(
    test,
    `select append_audit_entry('aud_' || lpad(n::text, 26, '0'), now(), 'write', 'person',
       'alice@example.com', 'api', null, null, null, null, 'ok', null, jsonb_build_object('n', n))
     from generate_series(1, ${count}) n`,
  )
  for (let isMore = true; isMore; ) {
    isMore = (await sealEntries(test.services, { batchSize: 700 })).sealedCount > 0
  }
})

async function findingAfter(statement: string, undo: string) {
  await tamper(test, statement)
  const { finding } = await verifyLog(test.asOperator(), {})
  await tamper(test, undo)
  return finding === null ? null : [finding.kind, finding.position, finding.upTo]
}

describe('a log longer than a page', () => {
  it('is intact', async () => {
    const file = join(await temporaryFolder(), 'checkpoints')
    await sealEntries(test.services, { checkpointFile: file })
    const report = await verifyLog(test.asOperator(), { checkpointFiles: [file] })
    expect(report).toMatchObject({ isIntact: true, checkpointCount: 7, outsideCheckpointCount: 7 })
    expect(report.size).toBe(count)
  })

  it.each([1, 1_999, 2_000, 2_001, 4_000, 4_001, 4_500])('names position %d', async (position) => {
    const finding = await findingAfter(
      `update audit_entry set subject = 'x' where position = ${position}`,
      `update audit_entry set subject = null where position = ${position}`,
    )
    expect(finding).toEqual(['edited', position, position])
  })

  it('names a subtree that spans pages', async () => {
    const { hash } = await onlyRow(test, 'select hash from audit_node where level = 12')
    const finding = await findingAfter(
      `update audit_node set hash = sha256('x') where level = 12`,
      `update audit_node set hash = '\\x${hash.toString('hex')}' where level = 12`,
    )
    expect(finding).toEqual(['edited', 1, 4096])
  })

  it('names where a page ends too early', async () => {
    const finding = await findingAfter(
      `update audit_entry set position = position + 100000 where position > 2000`,
      `update audit_entry set position = position - 100000 where position > 100000`,
    )
    expect(finding).toEqual(['missing', 2001, 102_000])
  })
})
