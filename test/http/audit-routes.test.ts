import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/audit/checkpoint.ts'
import { growTree, leafHash } from '../../src/audit/merkle.ts'
import { verifyConsistency, verifyInclusion } from '../../src/audit/proofs.ts'
import { parseVerifierKey } from '../../src/audit/signed-note.ts'
import { useTestBroker } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'

const broker = useTestBroker()
let sam: Client
let alice: Client

beforeAll(async () => {
  sam = await signIn(broker.url, 'sam@example.com')
  alice = await signIn(broker.url, 'alice@example.com')
  await alice.post('/v1/requests', {
    role: 'no-such-role',
    duration_seconds: 60,
    justification: 'to be refused',
  })
})

const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, 'base64'))

/** Everything that is sealed, page by page. */
async function wholeLog() {
  // biome-ignore lint/suspicious/noExplicitAny: a body is asserted on, not typed
  const items: any[] = []
  for (let after: string | null = '0'; after !== null; ) {
    const { body } = await sam.get(
      `/v1/audit?limit=5&after=${after}&to=${encodeURIComponent(start)}`,
    )
    items.push(...body.items)
    after = body.next_cursor
  }
  return items
}

const start = new Date(Date.now() + 60_000).toISOString()

describe('GET /v1/audit', () => {
  it('seals what happened within moments, on its own', async () => {
    await until('the sign-in is sealed', async () => {
      const { body } = await sam.get('/v1/audit?action=development-sign-in')
      return body.items.length > 0
    })
  })

  it('shows entries as the contract names their members', async () => {
    const { status, headers, body } = await sam.get('/v1/audit?limit=1')
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(Object.keys(body.items[0]).sort()).toEqual(
      [
        'position',
        'id',
        'at',
        'action',
        'actor',
        'subject',
        'resource',
        'request_id',
        'grant_id',
        'outcome',
        'code',
        'details',
        'hash',
      ].sort(),
    )
    expect(body.items[0].position).toBe(1)
    expect(body.next_cursor).toBe('1')
  })

  it('gives whoever reads it all they need to check it against the signed checkpoint', async () => {
    await sam.get('/v1/audit?unsealed=true')
    const key = parseVerifierKey((await sam.get('/v1/audit/verifier-key')).body.trim())
    const entries = await wholeLog()
    const tree = growTree()
    for (const [index, { position, hash, ...entry }] of entries.entries()) {
      expect(position).toBe(index + 1)
      const leaf = leafHash(Buffer.from(canonicalize(entry) ?? '', 'utf8'))
      expect(leaf.toString('base64')).toBe(hash)
      tree.append(leaf)
    }
    const { body: proof } = await sam.get(`/v1/audit/consistency?from=${tree.size}`)
    const checkpoint = openCheckpoint((await sam.get('/v1/audit/checkpoint')).body, key)
    expect(proof.from_root).toBe(tree.root().toString('base64'))
    const [fromRoot, toRoot] = bytes([proof.from_root, proof.to_root])
    if (fromRoot === undefined || toRoot === undefined) throw new Error('roots are missing')
    const claim = { from: proof.from, to: proof.to, fromRoot, toRoot, proof: bytes(proof.proof) }
    expect(verifyConsistency(claim)).toBe(true)
    expect(checkpoint.size).toBeGreaterThanOrEqual(proof.to)
  })

  it('proves one entry without the others', async () => {
    const { body } = await sam.get('/v1/audit/inclusion?position=2')
    const [leaf, root] = bytes([body.hash, body.root])
    if (leaf === undefined || root === undefined) throw new Error('hashes are missing')
    const claim = { index: 1, size: body.size, leaf, root, proof: bytes(body.proof) }
    expect(verifyInclusion(claim)).toBe(true)
    expect(createHash('sha256').update('').digest()).not.toEqual(root)
  })

  it('takes its own cursor also as `cursor`', async () => {
    const first = await sam.get('/v1/audit?limit=1')
    const byAfter = await sam.get(`/v1/audit?limit=1&after=${first.body.next_cursor}`)
    const byCursor = await sam.get(`/v1/audit?limit=1&cursor=${first.body.next_cursor}`)
    expect(byCursor.body).toEqual(byAfter.body)
    expect(byCursor.body.items[0].position).toBe(2)
  })

  it('records the refusals of others', async () => {
    const refused = await alice.get('/v1/audit')
    expect(refused.status).toBe(403)
    expect(refused.body.code).toBe('not_permitted')
    const { body } = await sam.get('/v1/audit?action=read-audit&unsealed=true&limit=200')
    const last = body.items.filter((entry: { outcome: string }) => entry.outcome === 'refused')
    expect(last.at(-1)).toMatchObject({
      actor: { kind: 'person', id: 'alice@example.com', via: 'api' },
      code: 'not_permitted',
    })
  })

  it.each([
    ['limit=0', '/limit'],
    ['limit=201', '/limit'],
    ['after=-1', '/after'],
    ['after=x', '/after'],
    ['from=yesterday', '/from'],
    ['to=2026-13-01T00:00:00Z', '/to'],
    ['unsealed=maybe', '/unsealed'],
    ['subject=a%00b', '/subject'],
    [`action=${'x'.repeat(300)}`, '/action'],
    ['colour=red', '/colour'],
    ['subject=a&subject=b', '/subject'],
  ])('refuses ?%s and points at it', async (query, pointer) => {
    const { status, body } = await sam.get(`/v1/audit?${query}`)
    expect(status).toBe(422)
    expect(body.code).toBe('invalid_input')
    expect(body.errors).toEqual([expect.objectContaining({ pointer })])
  })

  it.each(['x', '-1', '1.5', '99999999999999999999', 'djE6Z3JhbnRz'])(
    'refuses the cursor %s',
    async (cursor) => {
      const { status, body } = await sam.get(`/v1/audit?cursor=${cursor}`)
      expect([status, body.code]).toEqual([422, 'invalid_cursor'])
    },
  )

  it('needs a session', async () => {
    for (const path of ['', '/checkpoint', '/verifier-key', '/inclusion?position=1']) {
      const response = await fetch(`${broker.url}/v1/audit${path}`)
      expect(response.status).toBe(401)
    }
  })
})

describe('GET /v1/audit/checkpoint', () => {
  it('is text that the verifier key opens', async () => {
    const { status, headers, body } = await sam.get('/v1/audit/checkpoint')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    const key = parseVerifierKey((await sam.get('/v1/audit/verifier-key')).body.trim())
    expect(openCheckpoint(body, key).origin).toBe(new URL(broker.issuer).host)
  })

  it('is for admins alone', async () => {
    expect((await alice.get('/v1/audit/checkpoint')).status).toBe(403)
    expect((await alice.get('/v1/audit/verifier-key')).status).toBe(403)
    expect((await alice.get('/v1/audit/inclusion?position=1')).status).toBe(403)
    expect((await alice.get('/v1/audit/consistency?from=1')).status).toBe(403)
  })
})

describe('the metric of sealing', () => {
  it('is exported', async () => {
    const response = await fetch(`${broker.url}/metrics`)
    expect(await response.text()).toMatch(/^hallpass_audit_seal_lag_seconds [0-9.]+$/m)
  })
})
