import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { openOperatorTerminal, type Terminal } from './terminal.ts'

const broker = useTestBroker()
const folder = mkdtempSync(join(tmpdir(), 'hallpass-checkpoints-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let operator: Terminal
let sam: Client
const kept = join(folder, 'kept')

/** Changes the log behind the broker's back, as the role that owns it. */
async function tamper(statement: string): Promise<void> {
  const client = new pg.Client(broker.database.ownerConnection)
  await client.connect()
  try {
    const { rows } = await client.query(
      `select tgname as name from pg_trigger where tgrelid = 'audit_entry'::regclass and not tgisinternal`,
    )
    for (const { name } of rows) {
      await client.query(`alter table audit_entry disable trigger ${client.escapeIdentifier(name)}`)
    }
    await client.query(statement)
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  operator = openOperatorTerminal(broker.database)
  const alice = await signIn(broker.url, 'alice@example.com')
  sam = await signIn(broker.url, 'sam@example.com')
  for (const justification of ['look at one', 'look at two', 'look at three']) {
    await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 60,
      justification,
    })
  }
  await until('sealed', async () => {
    const { body } = await sam.get('/v1/audit?action=submit-request')
    return body.items.length === 3
  })
  const checkpoint = await sam.get('/v1/audit/checkpoint')
  writeFileSync(kept, checkpoint.body)
})

describe('audit verify', () => {
  it('finds a log good, offline, and tells what vouches for it', async () => {
    const ran = await operator.done('audit', 'verify')
    expect(ran.out).toMatch(
      /^The log holds: \d+ entries and \d+ checkpoints of the database agree\./,
    )
    expect(ran.out).toMatch(/verifier key: \S+$/)
    const { json } = await operator.done('--json', 'audit', 'verify')
    expect(json).toMatchObject({ is_intact: true, finding: null })
    expect(json.size).toBeGreaterThan(3)
  })

  it('compares it with checkpoints kept outside', async () => {
    const ran = await operator.done('audit', 'verify', '--checkpoint', kept)
    expect(ran.out).toContain(', and 1 from outside, agree.')
    const { json } = await operator.done(
      ...['--json', 'audit', 'verify', '--checkpoint', kept, '--checkpoint', kept],
    )
    expect(json.outside_checkpoint_count).toBe(2)
  })

  it('trusts only the key that is given', async () => {
    const key = (await operator.done('--json', 'audit', 'verify')).json.verifier_key
    await operator.done('audit', 'verify', '--key', key)
    const wrong = await operator.run('audit', 'verify', '--key', 'nonsense')
    expect([wrong.status, wrong.err.split(':')[0]]).toEqual([1, 'invalid_input'])
  })

  it.each([
    ['is missing', 'none'],
    ['is a folder', '.'],
    ['holds no checkpoint', 'empty'],
  ])('refuses a checkpoint file that %s', async (_, name) => {
    writeFileSync(join(folder, 'empty'), '')
    const ran = await operator.run('audit', 'verify', '--checkpoint', join(folder, name))
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/^invalid_input: There is no checkpoint/)
  })

  it('names the first bad position of an edited log, and exits with 1', async () => {
    const { body } = await sam.get('/v1/audit?action=submit-request')
    const position = body.items[1].position
    await tamper(`update audit_entry set subject = 'bob@example.com' where position = ${position}`)
    const ran = await operator.run('audit', 'verify')
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(
      new RegExp(`^edited: The log does not hold, at position ${position}: .*`),
    )
    const asJson = await operator.run('--json', 'audit', 'verify', '--checkpoint', kept)
    expect(asJson.status).toBe(1)
    expect(asJson.json).toMatchObject({
      is_intact: false,
      finding: { kind: 'edited', position, up_to: position },
    })
    await tamper(
      `update audit_entry set subject = 'alice@example.com' where position = ${position}`,
    )
    await operator.done('audit', 'verify', '--checkpoint', kept)
  })

  it('sees a log of which the end was cut off by a checkpoint kept outside', async () => {
    await tamper(`delete from audit_entry where position = (select max(position) from audit_entry)`)
    const ran = await operator.run('audit', 'verify', '--checkpoint', kept)
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/^(missing|edited|rewritten): The log does not hold, at /)
  })
})
