import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { useTestBroker } from '../support/broker.ts'
import { signIn } from '../support/client.ts'
import { exampleCatalogText } from '../support/context.ts'
import { openOperatorTerminal, openTerminal, type Terminal } from './terminal.ts'

const broker = useTestBroker()
const folder = mkdtempSync(join(tmpdir(), 'hallpass-catalog-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fileWith(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const example = join(installationRoot, 'example', 'hallpass.yaml')
const faulty = exampleCatalogText()
  .replace('owner: payments-leads # may', 'owner: nobody-knows # may')
  .replace('scopes: [invoices:read] }', 'scopes: [invoices:raed] }')
  .replace('max_duration: 8h', 'max_durration: 8h')

let operator: Terminal
let alice: Terminal

beforeAll(async () => {
  operator = openOperatorTerminal(broker.database)
  alice = openTerminal({ HALLPASS_URL: broker.url })
  await alice.done('login', '--as', 'alice@example.com')
})

describe('catalog show', () => {
  it('shows what one may ask for', async () => {
    const { out } = await alice.done('catalog', 'show')
    expect(out.split('\n')).toEqual([
      'ROLE              RESOURCE     SCOPES                        APPROVALS  LONGEST',
      'billing-reader    billing-api  invoices:read                 none       8h',
      'billing-operator  billing-api  invoices:read invoices:write  1          4h',
      'payout-admin      billing-api  invoices:read payouts:write   2          1h',
    ])
    const { json } = await alice.done('catalog', 'show', '--json')
    expect(json.resources[0].scopes).toHaveProperty('invoices:read')
  })
})

describe('catalog check', () => {
  it('finds the example good, with no broker and no session', async () => {
    const ran = await openTerminal({}).done('catalog', 'check', example)
    expect(ran.out).toBe(`${example} is good.`)
    expect(ran.err).toBe('')
  })

  it('names every fault at once as file:line:column', async () => {
    const path = fileWith('faulty.yaml', faulty)
    const ran = await openTerminal({}).run('catalog', 'check', path)
    expect([ran.status, ran.out]).toEqual([1, ''])
    const lines = ran.err.split('\n')
    const count = lines.filter((line) => / fault: /.test(line)).length
    expect(lines.at(-1)).toBe(`invalid_input: ${path} has ${count} faults.`)
    expect(count).toBeGreaterThanOrEqual(3)
    for (const [text, word] of [
      ['nobody-knows', 'nobody-knows'],
      ['invoices:raed', 'invoices:raed'],
      ['max_durration', 'max_durration'],
    ] as const) {
      const found = lines.find((line) => line.includes(word)) ?? ''
      const [, line, column] = /^.*?:(\d+):(\d+): fault: /.exec(found.slice(path.length)) ?? []
      const source = faulty.split('\n')[Number(line) - 1] ?? ''
      expect(source.slice(Number(column) - 1)).toMatch(new RegExp(`^${text}`))
    }
  })

  it('tells the same as JSON, quietly', async () => {
    const path = fileWith('faulty.yaml', faulty)
    const ran = await openTerminal({}).run('--json', 'catalog', 'check', path)
    expect(ran.status).toBe(1)
    expect(ran.json.faults.length).toBeGreaterThanOrEqual(3)
    expect(ran.json.faults[0]).toMatchObject({
      line: expect.any(Number),
      column: expect.any(Number),
      message: expect.any(String),
    })
    expect(ran.err).toMatch(/^invalid_input: .* has \d faults\.$/)
  })

  it('warns of a seat that only claims can fill, and finds the file good', async () => {
    const path = fileWith(
      'claims.yaml',
      exampleCatalogText().replace('security: [sam@example.com]', "security: ['claim:sec']"),
    )
    const ran = await openTerminal({}).done('catalog', 'check', path)
    expect(ran.err).toMatch(/^.*claims\.yaml:\d+:\d+: warning: /)
    expect((await openTerminal({}).done('--json', 'catalog', 'check', path)).json).toMatchObject({
      faults: [],
      warnings: [{ line: expect.any(Number), column: expect.any(Number) }, {}],
    })
  })

  it('finds an audience that is the broker’s own, when it knows the issuer', async () => {
    const terminal = openTerminal({ HALLPASS_ISSUER: 'https://billing.example.com' })
    const ran = await terminal.run('catalog', 'check', example)
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/audience/)
  })

  it('is wrong usage for a file that is not there', async () => {
    const ran = await openTerminal({}).run('catalog', 'check', join(folder, 'none.yaml'))
    expect(ran.status).toBe(2)
    expect(ran.err).toMatch(/none\.yaml cannot be read/)
  })
})

describe('catalog apply', () => {
  const second = exampleCatalogText().replace('max_duration: 8h', 'max_duration: 6h')

  it('puts a file in force for a broker that runs, and says when nothing changed', async () => {
    const unchanged = await operator.done('catalog', 'apply', example)
    expect(unchanged.out).toBe('Version 1 is in force already, with the same content.')
    const applied = await operator.done('--json', 'catalog', 'apply', fileWith('two.yaml', second))
    expect(applied.json).toEqual({ version: 2, outcome: 'applied' })
    expect((await alice.done('catalog', 'show')).out).toMatch(/billing-reader .* 6h$/m)
  })

  it('goes back to an older version only by force', async () => {
    const refused = await operator.run('catalog', 'apply', example)
    expect(refused.status).toBe(1)
    expect(refused.err).toMatch(/^stale_version: .*apply it with --force/)
    expect((await operator.done('catalog', 'apply', example, '--force')).out).toBe(
      'Version 3 is in force.',
    )
    expect((await alice.done('catalog', 'show')).out).toMatch(/billing-reader .* 8h$/m)
  })

  it('is told by doctor when the file of this replica is an older one', async () => {
    await operator.done('catalog', 'apply', fileWith('two.yaml', second), '--force')
    const found = await operator.done('doctor')
    expect(found.out).toMatch(
      /warning +catalog .*hallpass\.yaml equals an older version; version 4/,
    )
    expect(found.out).toContain('(catalog_reverted)')
    await broker.restart()
    expect(broker.logLines.some((line) => line.includes('catalog_reverted'))).toBe(true)
    expect((await alice.done('catalog', 'show')).out).toMatch(/billing-reader .* 6h$/m)
    await operator.done('catalog', 'apply', example, '--force')
    expect((await operator.done('doctor')).out).toMatch(/ok +catalog .*in force, as version 5/)
  })

  it('changes nothing when there are faults, and names them', async () => {
    const path = fileWith('faulty.yaml', faulty)
    const before = (await alice.done('catalog', 'show', '--json')).json.version
    const ran = await operator.run('catalog', 'apply', path)
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/faulty\.yaml:\d+:\d+: fault: /)
    expect((await alice.done('catalog', 'show', '--json')).json.version).toBe(before)
  })

  it('is audited as the person at this machine', async () => {
    const sam = await signIn(broker.url, 'sam@example.com')
    const { body } = await sam.get('/v1/audit?action=apply-catalog&unsealed=true&limit=200')
    const byOperator = body.items.filter(
      (entry: { actor: { kind: string } }) => entry.actor.kind === 'operator',
    )
    expect(byOperator.length).toBeGreaterThan(0)
    expect(byOperator[0].actor).toMatchObject({ kind: 'operator', id: 'olivia' })
  })

  it('needs the database, not the broker', async () => {
    const elsewhere = openOperatorTerminal(broker.database, { HALLPASS_URL: 'http://127.0.0.1:9' })
    await elsewhere.done('catalog', 'apply', example)
    const wrong = openOperatorTerminal(broker.database, { DATABASE_URL: 'mysql://x' })
    const ran = await wrong.run('catalog', 'apply', example)
    expect(ran.status).toBe(2)
    expect(ran.err).toMatch(/DATABASE_URL: must be a URL that starts with postgres/)
  })
})

describe('catalog explain', () => {
  const ask = ['catalog', 'explain', 'billing-operator', '--for', '1h']

  it('tells oneself by the catalog in force: the policy, those before it, the seats', async () => {
    const { out, err } = await alice.done(...ask, '--as', 'alice@example.com')
    expect(err).toBe('')
    const lines = out.split('\n')
    expect(lines[0]).toBe(
      'review: alice@example.com (engineering, everyone) asks for billing-operator',
    )
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}billing-read: skipped\. /))
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}billing-operate: matched\. /))
    expect(lines.at(-1)).toBe('  1 from payments-leads: bob@example.com, carol@example.com')
  })

  it('tells admins about anybody, and others by the local file, saying so', async () => {
    const sam = openTerminal({ HALLPASS_URL: broker.url })
    await sam.done('login', '--as', 'sam@example.com')
    const told = await sam.done(...ask, '--as', 'bob@example.com', '--json')
    expect(told.json).toMatchObject({
      decision: 'review',
      seats: [{ could_fill: ['carol@example.com'] }],
      catalog_version: expect.any(Number),
    })
    const local = await alice.done(...ask, '--as', 'bob@example.com')
    expect(local.out).toMatch(/^review: bob@example\.com/)
    expect(local.err).toMatch(/tells only admins about others/)
  })

  it('works by a file with no broker at all', async () => {
    const nobody = openTerminal({ HALLPASS_URL: 'http://127.0.0.1:9' })
    const byFile = [...ask, '--as', 'alice@example.com', '--file', example]
    expect((await nobody.done(...byFile)).err).toBe('')
    const denied = await nobody.done(...byFile.with(4, '9h'), '--why', 'short')
    expect(denied.out).toMatch(/^deny: /)
    const signedOut = await nobody.done(...ask, '--as', 'alice@example.com')
    expect(signedOut.err).toMatch(/^By .*; signed in, you are told by the catalog in force\.$/)
    const { json } = await nobody.done(...byFile, '--json')
    expect(json).toHaveProperty('limits.max_duration_seconds', 14_400)
  })

  it('takes groups of the identity provider into account', async () => {
    const path = fileWith(
      'claims.yaml',
      exampleCatalogText().replace('oncall: [dana@example.com]', "oncall: ['claim:on-call']"),
    )
    const emergency = [
      ...['catalog', 'explain', 'billing-operator', '--as', 'zoe@example.com', '--for', '10m'],
      ...['--break-glass', '--file', path],
    ]
    expect((await alice.done(...emergency)).out).toMatch(/^deny: /)
    expect((await alice.done(...emergency, '--claim', 'on-call')).out).toMatch(/^allow: /)
  })

  it('names the faults of a file that does not check', async () => {
    const path = fileWith('faulty.yaml', faulty)
    const ran = await alice.run(...ask, '--as', 'alice@example.com', '--file', path)
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/faulty\.yaml:\d+:\d+: fault: /)
  })

  it('is wrong usage without whom and how long', async () => {
    expect((await alice.run('catalog', 'explain', 'billing-reader')).status).toBe(2)
    expect((await alice.run(...ask.with(4, '1y'), '--as', 'x@example.com')).status).toBe(2)
  })
})
