import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { freePort, useTestBroker } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'
import { openTerminal, type Run, type Terminal } from './terminal.ts'

const broker = useTestBroker()
let alice: Terminal
let bob: Terminal
let dana: Terminal
let bobsClient: Client

async function openAs(name: string): Promise<Terminal> {
  const terminal = openTerminal({ HALLPASS_URL: broker.url })
  await terminal.done('login', '--as', `${name}@example.com`)
  return terminal
}

beforeAll(async () => {
  alice = await openAs('alice')
  bob = await openAs('bob')
  dana = await openAs('dana')
  bobsClient = await signIn(broker.url, 'bob@example.com')
})

const operate = ['billing-operator', '--for', '1h', '--why', 'void a duplicate invoice']

/** Asks as Alice; gives the id. */
async function ask(...more: string[]): Promise<string> {
  return (await alice.done('--json', 'request', ...operate, ...more)).json.id
}

const cancel = (id: string) => alice.done('cancel', id)

describe('preview', () => {
  it('says what would happen, who could approve, and stores nothing', async () => {
    const ran = await alice.done('preview', ...operate)
    expect(ran.out).toContain(
      'review: it needs approval; who could give it: bob@example.com, carol@example.com',
    )
    expect(ran.out).toContain('policy: billing-operate')
    expect(ran.out).toContain('longest time: 4h')
    expect((await alice.done('--json', 'requests')).json.items).toEqual([])
  })

  it('tells a refusal in advance, and is no refusal itself', async () => {
    const ran = await alice.done('preview', 'billing-operator', '--for', '9h', '--why', 'short')
    expect(ran.out).toMatch(/^deny: it would be refused/)
    expect(ran.out).toContain('allows at most 4h')
    expect(ran.out).toContain('at least 10 characters')
  })

  it('answers as JSON', async () => {
    const { json } = await alice.done('--json', 'preview', ...operate)
    expect(json).toMatchObject({ decision: 'review', max_duration_seconds: 14_400 })
  })
})

describe('request', () => {
  it('asks, shows everything that a reviewer decides by, and does not wait', async () => {
    const ran = await alice.done('request', ...operate, '--ticket', 'INC-42')
    const lines = ran.out.split('\n')
    const id = lines[0]?.split('  ')[0] ?? ''
    expect(lines).toEqual([
      expect.stringMatching(/^req_\w+ {2}pending$/),
      '  alice@example.com asks for billing-operator on billing-api (invoices:read, invoices:write) for 1h',
      '  why: void a duplicate invoice [INC-42]',
      '  needs 1 from payments-leads, 1 to come',
      expect.stringMatching(/^ {2}waits for bob@example\.com, carol@example\.com until 20/),
    ])
    await cancel(id)
  })

  it('gives a self-service role at once, and says how to take a token', async () => {
    const ran = await alice.done('request', 'billing-reader', '--for', '30m', '--why', 'look')
    expect(ran.out).toMatch(/^req_\w+ {2}approved\n/)
    expect(ran.out).toMatch(/grant (grt_\w+); get a token with: hallpass token \1$/)
  })

  it('asks for one scope alone, later, when told', async () => {
    const start = new Date(Date.now() + 3_600_000).toISOString()
    const { json } = await alice.done(
      ...['--json', 'request', ...operate, '--scope', 'invoices:read', '--start-at', start],
    )
    expect(json).toMatchObject({ scopes: ['invoices:read'], starts_at: start, state: 'pending' })
    const shown = await alice.done('requests', json.id)
    expect(shown.out).toContain(`  starts at ${start}`)
    await cancel(json.id)
  })

  it('takes emergency access now, loudly', async () => {
    const ran = await dana.done('request', ...operate.with(2, '10m'), '--break-glass')
    expect(ran.out).toMatch(/^req_\w+ {2}approved\n/)
    expect(ran.out).toContain('EMERGENCY ACCESS; its review: open')
  })

  it('is the first one again when repeated, and points to it when different', async () => {
    const id = await ask()
    expect(await ask()).toBe(id)
    const other = await alice.run('request', ...operate.with(2, '2h'))
    expect(other.status).toBe(1)
    expect(other.err).toMatch(/^already_pending: /)
    expect(other.err).toContain(id)
    await cancel(id)
  })

  it.each<[string, string, string[], RegExp]>([
    ['outside policy', 'outside_policy', [...operate.with(2, '9h')], /allows at most 4h/],
    ['not eligible', 'not_eligible', ['no-such-role', ...operate.slice(1)], /role/],
    ['a wrong time', 'invalid_input', [...operate, '--start-at', 'soon'], /starts_at/],
  ])('is refused with status 1 and the code: %s', async (_, code, argv, message) => {
    const ran = await alice.run('request', ...argv)
    expect(ran.status).toBe(1)
    expect(ran.out).toBe('')
    expect(ran.err).toMatch(new RegExp(`^${code}: `))
    expect(ran.err).toMatch(message)
  })

  it('tells every reason once', async () => {
    const ran = await alice.run('request', 'billing-operator', '--for', '9h', '--why', 'short')
    expect(ran.err.match(/at most 4h/g)).toHaveLength(1)
    expect(ran.err.match(/at least 10 characters/g)).toHaveLength(1)
  })

  it.each<[string, string[], RegExp]>([
    ['no duration', ['billing-reader', '--why', 'x'], /required option '--for <duration>'/],
    ['no reason', ['billing-reader', '--for', '1h'], /required option '--why <text>'/],
    ['no role', ['--for', '1h', '--why', 'x'], /missing required argument 'role'/],
    ['an odd duration', ['billing-reader', '--for', 'an hour', '--why', 'x'], /30s, 45m, 8h or 2d/],
    ['an odd wait', [...operate, '--wait-for', 'long'], /30s, 45m, 8h or 2d/],
  ])('is wrong usage with %s, and asks nothing', async (_, argv, message) => {
    const ran = await alice.run('request', ...argv)
    expect(ran.status).toBe(2)
    expect(ran.err).toMatch(message)
    expect((await alice.done('--json', 'requests', '--state', 'pending')).json.items).toEqual([])
  })
})

describe('request --wait', () => {
  const pending = async (): Promise<string> => {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const list = await bobsClient.get('/v1/requests?to_review=me')
      if (list.body.items.length > 0) return list.body.items[0].id
      await sleep(20)
    }
    throw new Error('nobody asked')
  }
  const waitWhile = async (act: (id: string) => Promise<unknown>, ...flags: string[]) => {
    const waiting = alice.run(...flags, 'request', ...operate, '--wait')
    await act(await pending())
    return waiting
  }
  const review = (verdict: string) => (id: string) =>
    bobsClient.post(`/v1/requests/${id}/reviews`, { verdict, comment: 'because' })

  it('comes back with the grant when it is approved', async () => {
    const ran = await waitWhile(review('approve'))
    expect(ran.status).toBe(0)
    expect(ran.out).toMatch(/^req_\w+ {2}approved\n/)
    expect(ran.out).toContain('approved by bob@example.com: because')
    expect(ran.err).toMatch(/^req_\w+ waits for bob@example\.com, carol@example\.com …$/)
  })

  it('prints the decided request alone with --json', async () => {
    const ran = await waitWhile(review('approve'), '--json')
    expect(ran.status).toBe(0)
    expect(ran.json.state).toBe('approved')
    expect(ran.err).toBe('')
  })

  it('ends with 1 and the state when it is denied', async () => {
    const ran = await waitWhile(review('deny'))
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/denied: The request was denied\.$/)
    expect(ran.out).toContain('denied by bob@example.com: because')
  })

  it('ends with 1 when it is cancelled meanwhile', async () => {
    const ran = await waitWhile((id) => alice.done('cancel', id))
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/cancelled: The request was cancelled\.$/)
  })

  it('ends with 3 when it still waits after the given time', async () => {
    const ran = await alice.run('request', ...operate, '--wait-for', '1s')
    expect(ran.status).toBe(3)
    expect(ran.err).toMatch(/req_\w+ is still waiting\.$/)
    await cancel(/^(req_\w+)/.exec(ran.out)?.[1] ?? '')
  })

  it('outlasts a restart of the broker', async () => {
    const ran = await waitWhile(async (id) => {
      await broker.restart()
      await review('approve')(id)
    })
    expect(ran.status).toBe(0)
    expect(ran.out).toContain('approved by bob@example.com')
  })

  it('does not wait for what is decided at once', async () => {
    const ran = await alice.done(
      ...['request', 'billing-reader', '--for', '1m', '--why', 'look again', '--wait'],
    )
    expect(ran.out).toMatch(/^req_\w+ {2}approved/)
    expect(ran.err).toBe('')
  })
})

describe('requests', () => {
  it('lists what waits for one, and what one may see', async () => {
    const id = await ask()
    const listed = await bob.done('requests', '--to-review')
    expect(listed.out.split('\n')).toEqual([
      expect.stringMatching(/^REQUEST +STATE +SUBJECT +ROLE +SCOPES +FOR +WHY$/),
      expect.stringMatching(
        new RegExp(
          `^${id}  pending  alice@example.com  billing-operator  invoices:read invoices:write  1h +void a duplicate invoice$`,
        ),
      ),
    ])
    expect((await alice.done('requests', '--to-review')).out).toBe('There is no such request.')
    expect((await bob.done('requests', id)).out).toContain('why: void a duplicate invoice')
    await cancel(id)
  })

  it('filters by state and subject, and goes on from page to page', async () => {
    const first = await ask()
    await cancel(first)
    const second = await ask()
    await cancel(second)
    const list = ['--json', 'requests', '--state', 'cancelled', '--subject', 'alice@example.com']
    const page = (await alice.done(...list, '--limit', '1')).json
    expect(page.items.map(({ id }: { id: string }) => id)).toEqual([second])
    const next = (await alice.done(...list, '--limit', '1', '--cursor', page.next_cursor)).json
    expect(next.items.map(({ id }: { id: string }) => id)).toEqual([first])
    const told = await alice.done('requests', '--state', 'cancelled', '--limit', '1')
    expect(told.err).toMatch(/^There are more; go on with: --cursor \S+$/)
  })

  it('is wrong usage for a state that does not exist', async () => {
    const ran = await alice.run('requests', '--state', 'open')
    expect(ran.status).toBe(2)
    expect(ran.err).toMatch(/Allowed choices are pending, approved, denied, cancelled, expired/)
    expect((await alice.run('requests', '--limit', '0')).status).toBe(2)
  })

  it('tells nothing of what one may not see', async () => {
    const ran = await alice.run('requests', 'req_00000000000000000000000000')
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/^not_found: /)
  })
})

describe('approve and deny', () => {
  it('approve less than was asked', async () => {
    const id = await ask()
    const ran = await bob.done(
      ...[
        'approve',
        id,
        '--scope',
        'invoices:read',
        '--for',
        '30m',
        '--comment',
        'reading will do',
      ],
    )
    expect(ran.out).toContain('(invoices:read) for 30m')
    expect(ran.out).toContain(
      'approved by bob@example.com only invoices:read for 30m: reading will do',
    )
  })

  it('refuse what is wider, the requester, and a second review', async () => {
    const id = await ask()
    const codes: Array<[Terminal, string[], string]> = [
      [alice, ['approve', id], 'self_review'],
      [dana, ['approve', id], 'not_found'],
      [bob, ['approve', id, '--for', '2h'], 'wider_than_asked'],
      [bob, ['approve', id, '--scope', 'payouts:write'], 'wider_than_asked'],
    ]
    for (const [who, argv, code] of codes) {
      const ran = await who.run(...argv)
      expect([ran.status, ran.err.split(':')[0]]).toEqual([1, code])
    }
    await bob.done('deny', id, '--comment', 'not today')
    const again = await bob.run('approve', id)
    expect(again.status).toBe(1)
    expect(again.err).toMatch(/^(request_closed|already_reviewed): /)
  })

  it('need a comment to deny', async () => {
    const ran = await bob.run('deny', 'req_x')
    expect(ran.status).toBe(2)
    expect(ran.err).toMatch(/required option '--comment <text>'/)
  })

  it('show what somebody said about a request', async () => {
    const id = await ask()
    await bobsClient.post(`/v1/requests/${id}/comments`, { text: 'which invoice?' })
    expect((await alice.done('requests', id)).out).toContain('bob@example.com says: which invoice?')
    await cancel(id)
  })
})

describe('what other people wrote', () => {
  const evil = '\u202e\u2066fake\u200b'

  it('cannot steer the reviewer’s terminal, in text or JSON', async () => {
    const asked = await alice.run('request', ...operate.with(4, `void it now ${evil}`))
    const runs: Run[] = [asked]
    if (asked.status === 0) {
      runs.push(await bob.done('requests', '--to-review'))
      runs.push(await bob.done('--json', 'requests', '--to-review'))
    }
    for (const { out, err } of runs) {
      expect(out + err).not.toMatch(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u)
    }
    for (const item of (await alice.done('--json', 'requests', '--state', 'pending')).json.items) {
      await cancel(item.id)
    }
  })

  it('cannot forge lines of a request', async () => {
    // a broker that lets everything through
    const request = {
      id: 'req_1\u001b[2J',
      state: 'pending',
      subject: 'alice@example.com\r',
      role: 'r\n  approved by sam@example.com',
      resource: 'x',
      scopes: ['a\u009b1m'],
      duration_seconds: 60,
      justification: 'why\n  approved by sam@example.com\u001b]0;t\u0007',
      reviews: [{ verdict: 'approve', reviewer: 'bob\u0007', comment: 'x\n  denied by carol' }],
      comments: [{ author: 'eve\u001b[A', text: 'one\u2028two' }],
      approval: [{ from: ['x\u001b'], count: 1, approved_by: [] }],
      eligible_reviewers: ['bob\u001b[2K'],
      answer_by: 'now\u0000',
    }
    const port = await freePort()
    const server = createServer((_, response) => response.end(JSON.stringify(request)))
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const terminal = openTerminal({
      HALLPASS_URL: `http://127.0.0.1:${port}`,
      HALLPASS_SESSION: 'hps_x',
    })
    const shown = await terminal.done('requests', 'req_1')
    const asJson = await terminal.done('--json', 'requests', 'req_1')
    server.close()
    expect(shown.out).not.toMatch(/[^\P{Cc}\n]|\u2028/u)
    expect(shown.out.split('\n').filter((line) => /^ {2}approved by/.test(line))).toHaveLength(1)
    expect(shown.out).not.toMatch(/^ {2}denied by/m)
    expect(asJson.json).toEqual(request)
    expect(asJson.out).not.toMatch(/[^\P{Cc}\n]|\u2028/u)
  })
})
