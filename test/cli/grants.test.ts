import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { openTerminal, type Terminal } from './terminal.ts'

const broker = useTestBroker()
let alice: Terminal
let bob: Terminal
let carol: Terminal
let dana: Terminal

async function openAs(name: string): Promise<Terminal> {
  const terminal = openTerminal({ HALLPASS_URL: broker.url })
  await terminal.done('login', '--as', `${name}@example.com`)
  return terminal
}

beforeAll(async () => {
  alice = await openAs('alice')
  bob = await openAs('bob')
  carol = await openAs('carol')
  dana = await openAs('dana')
})

/** A grant of Alice's that Bob approved, for 30 minutes. */
async function hold(): Promise<{ grant: string; request: string }> {
  const asked = await alice.done(
    ...[
      '--json',
      'request',
      'billing-operator',
      '--for',
      '30m',
      '--why',
      'void a duplicate invoice',
    ],
  )
  const approved = await bob.done('--json', 'approve', asked.json.id)
  return { grant: approved.json.grant_id, request: asked.json.id }
}

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

describe('token', () => {
  it('prints the token and nothing else', async () => {
    const { grant } = await hold()
    const ran = await alice.done('token', grant)
    expect(ran.out).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/)
    expect(ran.err).toBe('')
    expect(claimsOf(ran.out)).toMatchObject({ sub: 'alice@example.com', grant_id: grant })
  })

  it('asks for fewer scopes, repeatedly named', async () => {
    const { grant } = await hold()
    const narrow = await alice.done('token', grant, '--scope', 'invoices:read')
    expect(claimsOf(narrow.out).scope).toBe('invoices:read')
    const both = ['--scope', 'invoices:read', '--scope', 'invoices:write']
    const { json } = await alice.done('--json', 'token', grant, ...both)
    expect(json).toMatchObject({ grant_id: grant, token_type: 'Bearer' })
    expect(json.scope.split(' ').sort()).toEqual(['invoices:read', 'invoices:write'])
  })

  it('is refused to anybody but the holder, with nothing on stdout', async () => {
    const { grant } = await hold()
    const byReviewer = await bob.run('token', grant)
    expect([byReviewer.status, byReviewer.out]).toEqual([1, ''])
    expect(byReviewer.err).toMatch(/^not_holder: /)
    const byStranger = await dana.run('token', grant)
    expect(byStranger.err).toMatch(/^not_found: /)
  })
})

describe('grants', () => {
  it('lists what one may see, filtered, and shows one in full', async () => {
    const { grant } = await hold()
    const listed = await alice.done('grants', '--state', 'active', '--resource', 'billing-api')
    expect(listed.out).toMatch(/^GRANT +STATE +SUBJECT +ROLE +SCOPES +ENDS AT\n/)
    expect(listed.out).toContain(grant)
    expect((await alice.done('grants', grant)).out.split('\n')).toEqual([
      `${grant}  active`,
      '  alice@example.com holds billing-operator on billing-api (invoices:read, invoices:write)',
      expect.stringMatching(/^ {2}from 20\S+Z to 20\S+Z$/),
    ])
    const none = await dana.done('grants', '--subject', 'dana@example.com')
    expect(none.out).toMatch(/^There is no such grant\. Ask with: hallpass request/)
  })

  it('goes on from page to page', async () => {
    await hold()
    await hold()
    const { json } = await alice.done('--json', 'grants', '--limit', '1')
    const next = await alice.done('--json', 'grants', '--limit', '1', '--cursor', json.next_cursor)
    expect(next.json.items[0].id).not.toBe(json.items[0].id)
    const wrong = await alice.run('grants', '--cursor', 'elsewhere')
    expect([wrong.status, wrong.err.split(':')[0]]).toEqual([1, 'invalid_cursor'])
  })
})

describe('extend', () => {
  it('asks for more time, which reviewers see', async () => {
    const { grant } = await hold()
    const ran = await alice.done('extend', grant, '--for', '30m', '--why', 'not done yet, sorry')
    expect(ran.out).toContain(`more time for grant ${grant}`)
    const id = /^(req_\w+)/.exec(ran.out)?.[1] ?? ''
    await bob.done('approve', id)
    const { json } = await alice.done('--json', 'grants', grant)
    expect(Date.parse(json.ends_at) - Date.parse(json.starts_at)).toBe(3_600_000)
  })

  it('is refused over the longest time', async () => {
    const { grant } = await hold()
    const ran = await alice.run('extend', grant, '--for', '8h', '--why', 'not done yet, sorry')
    expect([ran.status, ran.err.split(':')[0]]).toEqual([1, 'outside_policy'])
  })
})

describe('ending', () => {
  it('is the holder’s, with release, and the note stays with the request', async () => {
    const { grant, request } = await hold()
    const ran = await alice.done('release', grant, '--why', 'done early')
    expect(ran.out).toMatch(/^grt_\w+ {2}released\n/)
    expect(ran.out).toMatch(/ended at 20\S+ by alice@example\.com$/)
    expect((await bob.done('requests', request)).out).toContain(
      'alice@example.com says: done early',
    )
    const again = await alice.run('release', grant)
    expect([again.status, again.err.split(':')[0]]).toEqual([1, 'grant_ended'])
    const token = await alice.run('token', grant)
    expect([token.status, token.out]).toEqual([1, ''])
  })

  it('is others’, with revoke, with or without a reason', async () => {
    const first = await hold()
    const told = await carol.done('revoke', first.grant, '--why', 'wrong invoice')
    expect(told.out).toMatch(/^grt_\w+ {2}revoked\n/)
    expect(told.out).toMatch(/by carol@example\.com: wrong invoice$/)
    const second = await dana.done(
      ...['--json', 'request', 'billing-reader', '--for', '5m', '--why', 'look'],
    )
    const silent = await carol.done('--json', 'revoke', second.json.grant_id)
    expect(silent.json).toMatchObject({ state: 'revoked', end_reason: 'no reason given' })
  })

  it('is not the requester’s own, by another way', async () => {
    const { grant } = await hold()
    const ran = await alice.run('revoke', grant, '--why', 'x')
    expect([ran.status, ran.err.split(':')[0]]).toEqual([1, 'not_permitted'])
    expect((await dana.run('revoke', grant, '--why', 'x')).err).toMatch(/^not_found: /)
  })
})

describe('suspend and resume', () => {
  it('stop a grant and let it go on, but never by its holder', async () => {
    const { grant } = await hold()
    expect((await bob.done('suspend', grant, '--why', 'odd calls')).out).toContain('  suspended')
    const token = await alice.run('token', grant)
    expect([token.status, token.err.split(':')[0]]).toEqual([1, 'grant_not_active'])
    expect((await alice.run('resume', grant)).err).toMatch(/^not_permitted: /)
    expect((await bob.done('resume', grant)).out).toContain('  active')
    expect((await alice.done('token', grant)).out).toMatch(/^eyJ/)
  })
})
