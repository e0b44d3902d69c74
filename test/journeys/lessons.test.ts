import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { companyText } from '../model/company.ts'
import { startReceiver } from '../notify/receiver.ts'
import { type Answer, call, signIn } from '../support/client.ts'
import { type ClockedBroker, startClockedBroker } from '../support/clocked-broker.ts'
import { until } from '../support/until.ts'

/*
 * Each of these happened in a released system. The titles say what must happen here instead.
 */

const at = new Date('2026-03-02T09:00:00.000Z')
let broker: ClockedBroker
let resource: { readonly client_id: string; readonly client_secret: string }

beforeAll(async () => {
  broker = await startClockedBroker({ catalog: companyText, at })
  const erin = await as('erin')
  resource = (await erin.post('/v1/resources/billing-api/credentials')).body
})
afterAll(() => broker.stop())
// nothing of one story waits in the next
beforeEach(() => broker.clock.advance(3 * 86_400))

const as = (name: string, from = broker) => signIn(from.url, `${name}@example.com`)

const ask = {
  role: 'operator',
  duration_seconds: 3600,
  justification: 'void a duplicate invoice',
  ticket: 'INC-42',
}
const pay = { ...ask, role: 'payer' }
const emergency = { ...ask, duration_seconds: 1800, is_break_glass: true }
const why = { reason: 'the laptop is lost' }

async function asked(name: string, body: object = ask, from = broker): Promise<Answer['body']> {
  const answer = await (await as(name, from)).post('/v1/requests', body)
  expect(answer).toMatchObject({ status: 201 })
  return answer.body
}

async function review(
  name: string,
  id: string,
  verdict: 'approve' | 'deny' = 'approve',
): Promise<Answer> {
  return (await as(name)).post(`/v1/requests/${id}/reviews`, { verdict })
}

async function seen(id: string): Promise<Answer['body']> {
  const kind = id.startsWith('grt') ? 'grants' : 'requests'
  return (await (await as('frank')).get(`/v1/${kind}/${id}`)).body
}

/** The id of an active grant of Alice's that Bob approved. */
async function held(): Promise<string> {
  const { id } = await asked('alice')
  return (await review('bob', id)).body.grant_id
}

async function minted(name: string, grantId: string): Promise<string> {
  const answer = await (await as(name)).post(`/v1/grants/${grantId}/tokens`)
  expect(answer).toMatchObject({ status: 201 })
  return answer.body.access_token
}

async function isGood(token: string): Promise<boolean> {
  const basic = btoa(`${resource.client_id}:${resource.client_secret}`)
  const { body } = await call(`${broker.url}/oauth/introspect`, {
    method: 'POST',
    headers: { Authorization: `Basic ${basic}` },
    body: new URLSearchParams({ token }),
  })
  return body.active
}

async function asOwner<T>(work: (owner: pg.Client) => Promise<T>): Promise<T> {
  const owner = new pg.Client(broker.database.ownerConnection)
  await owner.connect()
  try {
    return await work(owner)
  } finally {
    await owner.end()
  }
}

describe('who approves', () => {
  it.each([
    ['a quorum of none', 'approval: [{ from: [reviewers], count: 0 }]'],
    ['a quorum below none', 'approval: [{ from: [reviewers], count: -1 }]'],
    ['no seat at all', 'approval: []'],
    ['no word about approval', ''],
  ])('%s never comes into force, and reviewers are asked as before', async (_, approval) => {
    const before = 'approval: [{ from: [reviewers], count: 1 }]'
    expect(companyText).toContain(before)
    const applied = broker.apply(companyText.replace(before, approval))
    await expect(applied).rejects.toMatchObject({ code: 'invalid_input' })
    const request = await asked('alice')
    expect(request).toMatchObject({ state: 'pending', grant_id: null })
  })

  it('a member of a nested group is a reviewer', async () => {
    const { id, eligible_reviewers } = await asked('alice')
    expect(eligible_reviewers).toContain('carol@example.com')
    expect((await review('carol', id)).body).toMatchObject({ state: 'approved' })
  })

  it('without a rule that matches there is no access', async () => {
    const answer = await (await as('gus')).post('/v1/requests', ask)
    expect(answer).toMatchObject({ status: 403, body: { code: 'not_eligible' } })
    const gus = await as('gus')
    expect((await gus.get('/v1/requests')).body.items).toEqual([])
    expect((await gus.get('/v1/grants')).body.items).toEqual([])
  })

  it('one person in two groups gives one approval, under either account', async () => {
    const { id } = await asked('alice', pay)
    expect((await review('bob', id)).body).toMatchObject({ state: 'pending' })
    expect(await review('bob.admin', id)).toMatchObject({
      status: 409,
      body: { code: 'already_reviewed' },
    })
    // Carol is in a group of either seat
    const both = await asked('dana', { ...ask, role: 'auditor' })
    expect((await review('carol', both.id)).body).toMatchObject({ state: 'pending' })
    expect(await review('carol', both.id)).toMatchObject({ status: 409 })
    expect(await seen(both.id)).toMatchObject({ state: 'pending', grant_id: null })
  })

  it('nobody approves their own request, by whatever account or door they come', async () => {
    const { id } = await asked('alice')
    for (const name of ['alice', 'alice.admin']) {
      const answer = await review(name, id)
      expect(answer).toMatchObject({ status: 403, body: { code: 'self_review' } })
    }
    const carol = await as('carol')
    const bot = (await carol.post('/v1/workloads/invoice-bot/credentials')).body
    const session = await call(`${broker.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', ...bot }),
    })
    const botsAsk = await call(`${broker.url}/v1/requests`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${session.body.access_token}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify(ask),
    })
    expect(botsAsk).toMatchObject({ status: 201, body: { state: 'pending' } })
    const answer = await review('carol', botsAsk.body.id)
    expect(answer).toMatchObject({ status: 403, body: { code: 'self_review' } })
    expect(await seen(id)).toMatchObject({ state: 'pending', reviews: [] })
  })

  it('simultaneous approvals open one grant', async () => {
    const { id } = await asked('alice')
    const clients = await Promise.all(['bob', 'carol', 'bob', 'carol'].map((name) => as(name)))
    const answers = await Promise.all(
      clients.map((client) => client.post(`/v1/requests/${id}/reviews`, { verdict: 'approve' })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const refused = answers.filter(({ status }) => status !== 200).map(({ body }) => body.code)
    for (const code of refused) expect(['already_reviewed', 'request_closed']).toContain(code)
    const list = await (await as('alice')).get('/v1/grants?state=active')
    expect(list.body.items.map((grant: { request_id: string }) => grant.request_id)).toEqual([id])
  })

  it('the approver sees what is being approved', async () => {
    const { id } = await asked('alice', {
      ...ask,
      scopes: ['invoices:write'],
      starts_at: new Date(broker.clock.now().getTime() + 3_600_000).toISOString(),
    })
    const bob = await as('bob')
    const { body } = await bob.get('/v1/requests?to_review=me')
    expect(body.items.find((item: { id: string }) => item.id === id)).toMatchObject({
      subject: 'alice@example.com',
      resource: 'billing-api',
      role: 'operator',
      scopes: ['invoices:write'],
      duration_seconds: 3600,
      justification: ask.justification,
      ticket: 'INC-42',
      policy: 'operate',
      starts_at: new Date(broker.clock.now().getTime() + 3_600_000).toISOString(),
      approval: [{ from: ['reviewers'], count: 1, approved_by: [] }],
    })
  })

  it('the right to ask is checked again at the approval', async () => {
    const { id } = await asked('alice')
    const engineering = 'engineering: [alice@example.com, dana@example.com, bob@example.com]'
    expect(companyText).toContain(engineering)
    await broker.apply(companyText.replace(engineering, 'engineering: [dana@example.com]'))
    try {
      expect(await review('bob', id)).toMatchObject({ status: 403, body: { code: 'not_eligible' } })
      expect(await seen(id)).toMatchObject({ state: 'pending', grant_id: null, reviews: [] })
    } finally {
      await broker.apply(companyText)
    }
    expect((await review('bob', id)).body).toMatchObject({ state: 'approved' })
  })

  it('an approval is told when its grant can be used, not before', async () => {
    const told: Answer['body'][] = []
    let isEarly = false
    const receiver = await startReceiver((response) => response.writeHead(204).end())
    const other = await startClockedBroker({
      catalog: companyText,
      at,
      environment: {
        HALLPASS_WEBHOOK_URL: receiver.url,
        HALLPASS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 3).toString('base64')}`,
      },
    })
    try {
      const alice = await as('alice', other)
      const bob = await as('bob', other)
      const { id } = await asked('alice', ask, other)
      const reviewed = bob.post(`/v1/requests/${id}/reviews`, { verdict: 'approve' })
      await until('the approval is told', async () => {
        for (const { body } of receiver.received.slice(told.length)) {
          const event = JSON.parse(body)
          told.push(event)
          const { grant_id: grantId } = event.data
          if (event.type !== 'request.approved' && event.type !== 'grant.opened') continue
          const mint = await alice.post(`/v1/grants/${grantId}/tokens`)
          isEarly ||= mint.status !== 201
        }
        return told.some(({ type }) => type === 'grant.opened')
      })
      expect((await reviewed).status).toBe(200)
      expect(isEarly).toBe(false)
      expect(told.map(({ type }) => type)).toEqual([
        'request.submitted',
        'request.reviewed',
        'request.approved',
        'grant.opened',
      ])
    } finally {
      await other.stop()
      await receiver.close()
    }
  })
})

describe('how long', () => {
  it('a grant of an hour ends an hour after its approval, whenever it is taken up', async () => {
    const { id } = await asked('alice')
    broker.clock.advance(1800)
    const approvedAt = broker.clock.now().getTime()
    const { grant_id } = (await review('bob', id)).body
    expect(Date.parse((await seen(grant_id)).ends_at)).toBe(approvedAt + 3_600_000)
    broker.clock.advance(3500)
    const alice = await as('alice')
    const late = await alice.post(`/v1/grants/${grant_id}/tokens`)
    expect(late.body).toMatchObject({ expires_in: 100, authorization_expires_in: 100 })
    expect(await isGood(late.body.access_token)).toBe(true)
    broker.clock.advance(100)
    expect(await isGood(late.body.access_token)).toBe(false)
    const tooLate = await (await as('alice')).post(`/v1/grants/${grant_id}/tokens`)
    expect(tooLate).toMatchObject({ status: 409, body: { code: 'grant_ended' } })
  })

  it('the time to answer is that of the policy, however short the session of whoever asked', async () => {
    const alice = await as('alice')
    const { body } = await alice.post('/v1/requests', pay)
    expect(Date.parse(body.answer_by) - Date.parse(body.created_at)).toBe(24 * 3_600_000)
    broker.clock.advance(23 * 3600)
    expect((await alice.get('/v1/me')).status).toBe(401)
    await review('carol', body.id)
    expect((await review('sam', body.id)).body).toMatchObject({ state: 'approved' })
    const { grant_id } = await seen(body.id)
    expect(await seen(grant_id)).toMatchObject({ state: 'active' })
  })

  it('what was to end while the broker was replaced has ended, and is told once it is back', async () => {
    const grantId = await held()
    const token = await minted('alice', grantId)
    broker.clock.advance(3599)
    await broker.restart()
    expect(await seen(grantId)).toMatchObject({ state: 'expired', ended_by: null })
    expect(await isGood(token)).toBe(false)
    await broker.runJobs()
    const types = await asOwner(async (owner) => {
      const { rows } = await owner.query(
        `select type from outbox_event where data ->> 'grant_id' = $1 order by sequence`,
        [grantId],
      )
      return rows.map(({ type }) => type)
    })
    expect(types.at(-1)).toBe('grant.expired')
    expect(types.filter((type) => type === 'grant.expired')).toHaveLength(1)
  })
})

describe('what ends stays ended', () => {
  it('a revocation that fails changes nothing, says so, and succeeds when repeated', async () => {
    const grantId = await held()
    const token = await minted('alice', grantId)
    const erin = await as('erin')
    const revoke = () => erin.post(`/v1/grants/${grantId}/revoke`, why)
    await asOwner(async (owner) => {
      // the disk is full for whoever writes a revocation
      await owner.query(`create function fill_disk() returns trigger language plpgsql
        as $$ begin raise exception 'full' using errcode = '53100'; end $$`)
      await owner.query(`create trigger fill_disk before insert on revocation
        for each row execute function fill_disk()`)
      const failed = await revoke()
      expect(failed).toMatchObject({ status: 503, body: { code: 'cannot_decide' } })
      expect(failed.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(await seen(grantId)).toMatchObject({ state: 'active', ended_at: null })
      await owner.query('drop function fill_disk cascade')
    })
    expect(await revoke()).toMatchObject({ status: 200, body: { state: 'revoked' } })
    expect(await isGood(token)).toBe(false)
  })

  it('no sign-in, job, catalog or restart brings back what ended', async () => {
    const grantId = await held()
    const token = await minted('alice', grantId)
    await (await as('frank')).post('/v1/subjects/alice@example.com/revoke', why)
    const ended = await seen(grantId)
    expect(ended).toMatchObject({ state: 'revoked', ended_by: 'frank@example.com' })
    await as('alice')
    await broker.runJobs()
    await broker.apply(`${companyText}# a new version of the same\n`)
    await broker.apply(companyText)
    await broker.restart()
    await broker.runJobs()
    expect(await seen(grantId)).toEqual(ended)
    expect(await isGood(token)).toBe(false)
    for (const act of ['resume', 'suspend', 'revoke']) {
      const answer = await (await as('erin')).post(`/v1/grants/${grantId}/${act}`, why)
      expect(answer).toMatchObject({ status: 409, body: { code: 'grant_ended' } })
    }
  })

  it('after the approval a denial is refused aloud, and a revocation ends the access', async () => {
    const { id } = await asked('alice')
    const { grant_id } = (await review('bob', id)).body
    const token = await minted('alice', grant_id)
    expect(await review('carol', id, 'deny')).toMatchObject({
      status: 409,
      body: { code: 'request_closed' },
    })
    const cancelled = await (await as('alice')).post(`/v1/requests/${id}/cancel`)
    expect(cancelled).toMatchObject({ status: 409, body: { code: 'request_closed' } })
    expect(await isGood(token)).toBe(true)
    const revoked = await (await as('carol')).post(`/v1/grants/${grant_id}/revoke`, why)
    expect(revoked).toMatchObject({ status: 200, body: { state: 'revoked' } })
    expect(await isGood(token)).toBe(false)
  })

  it('the denial of an emergency, which comes after, ends its access', async () => {
    const { id, grant_id } = await asked('dana', emergency)
    const token = await minted('dana', grant_id)
    expect(await isGood(token)).toBe(true)
    expect((await review('sam', id, 'deny')).body).toMatchObject({ after_review: 'rejected' })
    expect(await seen(grant_id)).toMatchObject({ state: 'revoked', ended_by: 'sam@example.com' })
    expect(await isGood(token)).toBe(false)
  })
})

describe('an emergency', () => {
  it('is signed with a key of this installation, as every token is, and with nothing public', async () => {
    const other = await startClockedBroker({ catalog: companyText, at })
    try {
      const keysOf = async (url: string): Promise<readonly { kid: string; x: string }[]> =>
        (await call(`${url}/oauth/jwks`)).body.keys
      const [ours, theirs] = [await keysOf(broker.url), await keysOf(other.url)]
      const { id, grant_id } = await asked('dana', emergency)
      const token = await minted('dana', grant_id)
      const [header = '', payload = ''] = token.split('.')
      const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url').toString())
      expect(alg).toBe('ES256')
      expect(ours.map((key) => key.kid)).toContain(kid)
      for (const key of theirs) expect(ours.map(({ x }) => x)).not.toContain(key.x)
      expect(await isGood(token)).toBe(true)
      // the same claims under the same name of a key, signed by somebody who read all of the source
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
      const forged = new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'at+jwt' })
      expect(await isGood(await forged.sign(privateKey))).toBe(false)
      const hmac = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid, typ: 'at+jwt' })
      expect(await isGood(await hmac.sign(Buffer.from(kid)))).toBe(false)
      const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
      expect(await isGood(`${none}.${payload}.`)).toBe(false)
      await review('sam', id)
    } finally {
      await other.stop()
    }
  })
})
