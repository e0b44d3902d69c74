import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandIo } from '../../src/cli/io.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import { useTestBroker } from '../support/broker.ts'
import { signIn } from '../support/client.ts'

const broker = useTestBroker()
const folder = mkdtempSync(join(tmpdir(), 'hallpass-cli-'))
const wallTime = new Date('2026-03-02T09:00:00.000Z')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function run(...argv: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io: CommandIo = {
    environment: { HALLPASS_URL: broker.url, XDG_STATE_HOME: folder },
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
    isTerminal: false,
    now: () => wallTime,
    sleep: async () => {},
    openBrowser: () => false,
    operatingSystemUser: 'tester',
  }
  const status = await runCommandLine(argv, io)
  return { status, out: out.join('\n'), err: err.join('\n') }
}

beforeAll(async () => {
  expect((await run('login', '--as', 'alice@example.com')).status).toBe(0)
})

describe('report unused', () => {
  it('says so when nobody held anything', async () => {
    const { status, out } = await run('report', 'unused', '--window-days', '7')
    expect(status).toBe(0)
    expect(out).toBe('Nobody held anything in this window.')
  })

  it('lists what there is most to do about first, with what would have done', async () => {
    const alice = await signIn(broker.url, 'alice@example.com')
    const bob = await signIn(broker.url, 'bob@example.com')
    const asked = await alice.post('/v1/requests', {
      role: 'billing-operator',
      duration_seconds: 3600,
      justification: 'to void a duplicate invoice',
    })
    await bob.post(`/v1/requests/${asked.body.id}/reviews`, { verdict: 'approve' })
    await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 3600,
      justification: 'to look at an invoice',
    })
    const { out: dark } = await run('report', 'unused')
    expect(dark).toContain('Last 90 days: 2 no data.')
    expect(dark).toContain('No data: the resource has not told what these were used for.')

    const { body: page } = await alice.get('/v1/grants')
    const operator = page.items.find((item: { role: string }) => item.role === 'billing-operator')
    broker.broker.services.useObserver?.observeUse({
      grantId: operator.id,
      scope: 'invoices:read',
      at: new Date(operator.starts_at),
    })
    await broker.restart()
    const { status, out } = await run('report', 'unused')
    expect(status).toBe(0)
    const lines = out.split('\n')
    expect(lines[0]).toMatch(
      /^SUBJECT +ROLE +STATUS +UNUSED SCOPES +HELD +LAST USED +ENOUGH WOULD BE$/,
    )
    expect(lines[1]).toMatch(
      /^alice@example\.com +billing-reader +unused +invoices:read +\S+ +never seen$/,
    )
    expect(lines[2]).toMatch(
      /^alice@example\.com +billing-operator +partly used +invoices:write +\S+ +\S+Z +billing-reader \(invoices:read\) for 15m$/,
    )
    expect(lines.slice(3)).toEqual(['', 'Last 90 days: 1 unused, 1 partly used.'])
  })

  it('prints the answer itself with --json, CSV with --csv, narrowed by filters', async () => {
    const json = await run('--json', 'report', 'unused', '--subject', 'alice@example.com')
    expect(JSON.parse(json.out).items).toHaveLength(2)
    const none = await run('--json', 'report', 'unused', '--resource', 'no-such-api')
    expect(JSON.parse(none.out).items).toEqual([])
    const csv = await run('report', 'unused', '--csv')
    expect(csv.out.split('\n')).toHaveLength(3)
    expect(csv.out).toMatch(/^subject,resource,role,status,/)
  })

  it('ends with status 1 and the code when the broker refuses', async () => {
    const { status, out, err } = await run('report', 'unused', '--window-days', '1000')
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toMatch(/^invalid_input: /)
    expect(err).toContain('/window_days')
  })
})
