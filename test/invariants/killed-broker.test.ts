import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Receiver, startReceiver } from '../notify/receiver.ts'
import { type Answer, type Client, clientWith, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { type BrokerProcess, type DeathPoint, useInstallation } from './broker-process.ts'

/** One call that changes something, and how to count what it changed. */
interface Act {
  readonly name: string
  readonly by: string
  readonly path: string
  readonly body: object
  readonly status: number
  /** SQL that counts its effects and its events; $1 is the round's mark, $2 the id that the path holds. */
  readonly effect: string
  readonly event: string
  readonly action: string
  readonly target: string
}

const reader = { role: 'billing-reader', duration_seconds: 3600 }
const operator = { role: 'billing-operator', duration_seconds: 3600 }
const wasUnreachable = Symbol('no answer')

const installation = await useInstallation()
let receiver: Receiver
let broker: BrokerProcess
const tokens = new Map<string, string>()

function as(name: string): Client {
  return clientWith(broker.url, tokens.get(name) ?? '')
}

async function ok(answer: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body
}

function start(): Promise<BrokerProcess> {
  return installation.start({
    environment: {
      HALLPASS_WEBHOOK_URL: receiver.url,
      HALLPASS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 3).toString('base64')}`,
    },
  })
}

/** What the acts act on, made anew for each round. */
async function prepare(mark: string): Promise<readonly Act[]> {
  const justification = `prepared for ${mark}`
  const grantOf = async (person: string) => {
    const asked = await ok(as(person).post('/v1/requests', { ...reader, justification }))
    await ok(as(person).post(`/v1/grants/${asked.grant_id}/tokens`))
    return asked.grant_id as string
  }
  const pending = await ok(as('dana').post('/v1/requests', { ...operator, justification }))
  const [minted, revoked, released, extended] = [
    await grantOf('alice'),
    await grantOf('alice'),
    await grantOf('carol'),
    await grantOf('dana'),
  ]
  const event = (type: string, of = 'grant_id') =>
    `select count(*)::int as count from outbox_event where type = '${type}' and data ->> '${of}' = $2`
  const asks = `select count(*)::int as count from access_request where justification = $1`
  return [
    {
      name: 'ask for what needs a review',
      by: 'alice',
      path: '/v1/requests',
      body: { ...operator, justification: mark },
      status: 201,
      effect: `${asks} and role = 'billing-operator'`,
      event: `select count(*)::int as count from outbox_event e join access_request r
              on r.id = e.order_key where r.justification = $1 and r.role = 'billing-operator'
              and e.type = 'request.submitted'`,
      action: 'submit-request',
      target: '',
    },
    {
      name: 'ask for what is granted at once',
      by: 'bob',
      path: '/v1/requests',
      body: { ...reader, justification: mark },
      status: 201,
      effect: `select count(*)::int as count from access_request r
               join access_grant g on g.request_id = r.id
               where r.justification = $1 and r.role = 'billing-reader' and r.extends_grant_id is null`,
      event: `select count(*)::int as count from outbox_event e join access_request r
              on r.id = e.order_key where r.justification = $1 and r.role = 'billing-reader'
              and r.extends_grant_id is null and e.type = 'grant.opened'`,
      action: 'submit-request',
      target: '',
    },
    {
      name: 'review',
      by: 'bob',
      path: `/v1/requests/${pending.id}/reviews`,
      body: { verdict: 'approve' },
      status: 200,
      effect: `select count(*)::int as count from review v join access_grant g
               on g.request_id = v.request_id where v.request_id = $2`,
      event: event('grant.opened', 'request_id'),
      action: 'review-request',
      target: pending.id,
    },
    {
      name: 'mint',
      by: 'alice',
      path: `/v1/grants/${minted}/tokens`,
      body: {},
      status: 201,
      // one was minted in preparation
      effect: 'select count(*)::int - 1 as count from issued_token where grant_id = $2',
      event: 'select 1 as count',
      action: 'mint-token',
      target: minted,
    },
    {
      name: 'revoke',
      by: 'sam',
      path: `/v1/grants/${revoked}/revoke`,
      body: { reason: mark },
      status: 200,
      effect: `select count(*)::int as count from revocation v join access_grant g on g.id = v.target
               where g.id = $2 and g.state = 'revoked'`,
      event: event('grant.revoked'),
      action: 'revoke-grant',
      target: revoked,
    },
    {
      name: 'release',
      by: 'carol',
      path: `/v1/grants/${released}/release`,
      body: {},
      status: 200,
      effect: `select count(*)::int as count from revocation v join access_grant g on g.id = v.target
               where g.id = $2 and g.state = 'released'`,
      event: event('grant.released'),
      action: 'release-grant',
      target: released,
    },
    {
      name: 'extend',
      by: 'dana',
      path: `/v1/grants/${extended}/extend`,
      body: { duration_seconds: 600, justification: mark },
      status: 201,
      effect: `select (extract(epoch from ends_at - starts_at)::int - 3600) / 600 as count
               from access_grant where id = $2`,
      event: event('grant.extended'),
      action: 'extend-grant',
      target: extended,
    },
    {
      name: 'create a credential',
      by: 'bob',
      path: '/v1/resources/billing-api/credentials',
      body: {},
      status: 201,
      effect: `select count(*)::int - $1::int as count from client_credential`,
      event: `select count(*)::int - $1::int as count from outbox_event where type = 'credential.created'`,
      action: 'create-credential',
      target: '',
    },
  ]
}

function send(act: Act, mark: string): Promise<Answer | typeof wasUnreachable> {
  return as(act.by)
    .post(act.path, act.body, { 'Idempotency-Key': `${mark} ${act.name}` })
    .catch(() => wasUnreachable)
}

/** As a client does that got no answer: again, and again while the first call still counts as running. */
async function repeat(act: Act, mark: string): Promise<Answer> {
  for (let attempt = 0; ; attempt += 1) {
    const answer = await send(act, mark)
    if (answer === wasUnreachable) throw new Error('the restarted broker does not answer')
    if (answer.body.code !== 'idempotency_in_progress' || attempt > 50) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function countOf(statement: string, mark: string, target: string): Promise<unknown> {
  const values = [mark, target].filter((_, index) => statement.includes(`$${index + 1}`))
  const numbered = values.length === 1 ? statement.replaceAll('$2', '$1') : statement
  const [row] = await installation.query<{ count: number }>(numbered, values)
  return row?.count
}

interface Round {
  readonly point: DeathPoint | 'after answer'
  readonly acts: readonly Act[]
  readonly first: readonly (Answer | typeof wasUnreachable)[]
  readonly second: readonly Answer[]
  readonly third: readonly Answer[]
  /** How often each act had taken effect when the process was dead, before anybody repeated it. */
  readonly committed: readonly unknown[]
  readonly effects: readonly unknown[]
  readonly events: readonly unknown[]
  readonly entries: readonly unknown[]
}

const isCredential = ({ action }: Act) => action === 'create-credential'

async function play(point: Round['point'], number: number): Promise<Round> {
  const mark = `round ${number} ${point}`
  const acts = await prepare(mark)
  const [{ before = 0 } = {}] = await installation.query<{ before: number }>(
    'select count(*)::int as before from client_credential',
  )
  const entriesBefore = await installation.query<{ id: string }>('select id from audit_entry')
  const known = new Set(entriesBefore.map(({ id }) => id))
  const effectsNow = () =>
    Promise.all(
      acts.map((act) => countOf(act.effect, isCredential(act) ? `${before}` : mark, act.target)),
    )
  const spare = start()
  if (point !== 'after answer') await broker.dieAt(point, acts.length)
  const first = await Promise.all(acts.map((act) => send(act, mark)))
  if (point === 'after answer') await broker.kill()
  expect(await broker.ended).toBe('SIGKILL')
  broker = await spare
  // what the dead process had open ends when Postgres notices
  await until('no transaction is open', async () => {
    const open = await installation.query(
      `select 1 from pg_stat_activity where datname = current_database() and state like 'idle in%'`,
    )
    return open.length === 0
  })
  const committed = await effectsNow()
  const second = await Promise.all(acts.map((act) => repeat(act, mark)))
  const third = await Promise.all(acts.map((act) => repeat(act, mark)))
  const entries = await installation.query<{ id: string; action: string; outcome: string }>(
    'select id, action, outcome from audit_entry',
  )
  const fresh = entries.filter(({ id, outcome }) => outcome === 'ok' && !known.has(id))
  const round: Round = {
    point,
    acts,
    first,
    second,
    third,
    committed,
    effects: await effectsNow(),
    events: await Promise.all(
      acts.map((act) => countOf(act.event, isCredential(act) ? `${before}` : mark, act.target)),
    ),
    entries: acts.map(({ action }) => fresh.filter((entry) => entry.action === action).length),
  }
  const asked = second[0]?.body.id
  await ok(as('alice').post(`/v1/requests/${asked}/cancel`))
  return round
}

// first those that leave deliveries held: their leases run out while the others are played
const points = [
  'after answer',
  'before answer',
  'during commit',
  'before commit',
  'before work',
] as const
const rounds: Round[] = []

beforeAll(async () => {
  receiver = await startReceiver()
  broker = await start()
  for (const name of ['alice', 'bob', 'carol', 'dana', 'sam']) {
    tokens.set(name, (await signIn(broker.url, `${name}@example.com`)).token)
  }
  for (const [number, point] of points.entries()) rounds.push(await play(point, number))
}, 180_000)

afterAll(() => receiver?.close())

const isReplayed = ({ headers }: Answer) => headers.get('idempotent-replayed') === 'true'
const withoutSecrets = ({ body }: Answer) => ({ ...body, access_token: undefined })

describe.each(points)('a broker killed %s', (point) => {
  const round = (): Round => {
    const found = rounds.find((one) => one.point === point)
    if (found === undefined) throw new Error(`no round for ${point}`)
    return found
  }

  it('had answered nobody before the commit', () => {
    const { first, acts, committed } = round()
    for (const [index, answer] of first.entries()) {
      if (answer === wasUnreachable) expect(point).not.toBe('after answer')
      else {
        expect(['during commit', 'after answer']).toContain(point)
        expect([answer.status, committed[index]]).toEqual([acts[index]?.status, 1])
      }
    }
  })

  it('had committed nothing before the commit and everything after it', () => {
    const { committed, acts } = round()
    if (point === 'during commit') for (const count of committed) expect([0, 1]).toContain(count)
    else {
      const isAfter = point === 'before answer' || point === 'after answer'
      expect(committed).toEqual(acts.map(() => (isAfter ? 1 : 0)))
    }
  })

  it('gives a repetition the first answer exactly when that was committed', () => {
    const { acts, second, committed } = round()
    expect(second.map(isReplayed)).toEqual(committed.map((count) => count === 1))
    for (const [index, act] of acts.entries()) {
      const answer = second[index]
      if (isCredential(act) && committed[index] === 1) {
        expect(answer).toMatchObject({ status: 409, body: { code: 'secret_already_shown' } })
        expect(answer?.body.client_id).toMatch(/^billing-api~/)
        expect(answer?.body.client_secret).toBeUndefined()
      } else expect([act.name, answer?.status]).toEqual([act.name, act.status])
    }
  })

  it('has each act take effect once, with one event and one audit entry', () => {
    const { acts, effects, events, entries } = round()
    const told = acts.map(({ name }, index) => [name, effects[index], events[index]])
    expect(told).toEqual(acts.map(({ name }) => [name, 1, 1]))
    // two of the acts are asks
    expect(entries).toEqual(acts.map(({ action }) => (action === 'submit-request' ? 2 : 1)))
  })

  it('answers every further repetition the same', () => {
    const { acts, second, third } = round()
    expect(third.map(isReplayed)).toEqual(acts.map(() => true))
    for (const [index, act] of acts.entries()) {
      if (isCredential(act) || act.action === 'mint-token') continue
      expect(withoutSecrets(third[index] as Answer)).toEqual(
        withoutSecrets(second[index] as Answer),
      )
    }
  })

  it('signs the same token again, never another', async () => {
    const { acts, first, second, third } = round()
    const index = acts.findIndex(({ action }) => action === 'mint-token')
    const answers = [first[index], second[index], third[index]].filter(
      (answer) => answer !== undefined && answer !== wasUnreachable,
    )
    const claims = answers.map((answer) => decodeJwt((answer as Answer).body.access_token))
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(1)
    expect(new Set(claims.map((claim) => JSON.stringify(claim))).size).toBe(1)
    const rows = await installation.query('select 1 from issued_token where jti = $1', [
      claims[0]?.jti,
    ])
    expect(rows).toHaveLength(1)
  })
})

describe('all those deaths', () => {
  it('lose no event: each arrives at least once', async () => {
    const events = await installation.query<{ id: string }>('select id from outbox_event')
    expect(events.length).toBeGreaterThan(points.length * 8)
    const arrived = () => new Set(receiver.received.map(({ headers }) => headers['webhook-id']))
    await until('every event arrived', () => events.every(({ id }) => arrived().has(id)), 40)
  }, 45_000)

  it('leave the audit log without a gap', async () => {
    await until('everything is sealed', async () => {
      const open = await installation.query('select 1 from audit_entry where position is null')
      return open.length === 0
    })
    const [log] = await installation.query(
      'select count(*)::int as count, max(position)::int as last from audit_entry',
    )
    expect(log?.count).toBe(log?.last)
  })
})
