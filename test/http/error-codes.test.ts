import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { type Broker, startBroker } from '../../src/broker.ts'
import { readConfig } from '../../src/config.ts'
import { systemClock } from '../../src/context.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { companyText } from '../model/company.ts'
import { brokerEnvironment, freePort, useTestBroker } from '../support/broker.ts'
import { type Answer, type Client, call, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { problemMore, problemShape } from './contract-shapes.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-codes-'))
const catalogFile = join(folder, 'hallpass.yaml')
writeFileSync(catalogFile, companyText)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const broker = useTestBroker({ HALLPASS_CONFIG: catalogFile })
/** Another replica, with limits on and a clock two hours ahead. */
let strange: Broker

beforeAll(async () => {
  const environment = {
    ...brokerEnvironment(broker.database, await freePort(), folder),
    HALLPASS_CONFIG: catalogFile,
    HALLPASS_RATE_LIMITS: 'on',
  }
  strange = await startBroker(
    readConfig(environment, (path) => path === catalogFile),
    {
      clock: { ...systemClock, now: () => new Date(Date.now() + 2 * 3_600_000) },
      log: createLog(() => {}),
      runsJobs: false,
    },
  )
})
afterAll(() => strange.stop())

const as = (name: string): Promise<Client> => signIn(broker.url, `${name}@example.com`)

const ask = {
  role: 'operator',
  duration_seconds: 3600,
  justification: 'void a duplicate invoice',
  ticket: 'INC-42',
}
const why = { reason: 'to see what is answered' }

/** Asks for a role that nothing of theirs stands in the way of. */
async function asked(name: string, changes: object = {}): Promise<Answer['body']> {
  const client = await as(name)
  const waiting = await client.get(`/v1/requests?state=pending&subject=${name}@example.com`)
  for (const { id } of waiting.body.items) await client.post(`/v1/requests/${id}/cancel`)
  const { status, body } = await client.post('/v1/requests', { ...ask, ...changes })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

async function reviewed(
  name: string,
  id: string,
  review: object = { verdict: 'approve' },
): Promise<Answer> {
  return (await as(name)).post(`/v1/requests/${id}/reviews`, review)
}

/** The id of a grant that Alice holds. */
async function held(role = 'reader'): Promise<string> {
  return (await asked('alice', { role })).grant_id
}

interface Provocation {
  readonly status: number
  /** Members beside those that every problem has. */
  readonly more?: Readonly<Record<string, z.ZodType>>
  readonly headers?: Readonly<Record<string, RegExp>>
  readonly provoke: () => Promise<Answer>
}

/** Every code of the contract: a new one does not compile until it is provoked or named as later. */
const provocations: Record<ErrorCode, Provocation | 'needs a gateway, which comes later'> = {
  unauthenticated: {
    status: 401,
    headers: { 'www-authenticate': /^Bearer/ },
    provoke: () => call(`${broker.url}/v1/me`),
  },
  not_eligible: {
    status: 403,
    provoke: async () => (await as('gus')).post('/v1/requests', ask),
  },
  self_review: {
    status: 403,
    provoke: async () => reviewed('alice.admin', (await asked('alice')).id),
  },
  not_reviewer: {
    status: 403,
    provoke: async () => reviewed('erin', (await asked('alice')).id),
  },
  not_holder: {
    status: 403,
    provoke: async () => (await as('erin')).post(`/v1/grants/${await held()}/tokens`),
  },
  not_permitted: {
    status: 403,
    provoke: async () => (await as('alice')).post('/v1/subjects/bob@example.com/revoke', why),
  },
  browser_required: {
    status: 403,
    provoke: async () => {
      const vault = { role: 'vault', scopes: ['entries:read'] }
      return reviewed('sam', (await asked('alice', vault)).id)
    },
  },
  gateway_not_allowed: 'needs a gateway, which comes later',
  not_found: {
    status: 404,
    provoke: async () => (await as('gus')).get(`/v1/grants/${await held()}`),
  },
  stale_version: {
    status: 409,
    provoke: async () =>
      reviewed('bob', (await asked('alice')).id, { verdict: 'approve', version: 9 }),
  },
  already_pending: {
    status: 409,
    more: { request_id: problemMore.requestId },
    provoke: async () => {
      await asked('alice')
      return (await as('alice')).post('/v1/requests', { ...ask, duration_seconds: 60 })
    },
  },
  no_reviewer: {
    status: 409,
    provoke: async () =>
      (await as('bob')).post('/v1/requests', { ...ask, role: 'payer', duration_seconds: 7200 }),
  },
  already_reviewed: {
    status: 409,
    provoke: async () => {
      const { id } = await asked('alice', { role: 'payer' })
      await reviewed('bob', id)
      return reviewed('bob.admin', id)
    },
  },
  seat_filled: {
    status: 409,
    provoke: async () => {
      const { id } = await asked('alice', { role: 'payer' })
      await reviewed('bob', id)
      return reviewed('carol', id)
    },
  },
  request_closed: {
    status: 409,
    provoke: async () => {
      const { id } = await asked('alice')
      await reviewed('bob', id)
      return (await as('alice')).post(`/v1/requests/${id}/cancel`)
    },
  },
  grant_not_active: {
    status: 409,
    provoke: async () => {
      const id = await held()
      await (await as('erin')).post(`/v1/grants/${id}/suspend`, why)
      return (await as('alice')).post(`/v1/grants/${id}/tokens`)
    },
  },
  grant_ended: {
    status: 409,
    provoke: async () => {
      const id = await held()
      const alice = await as('alice')
      await alice.post(`/v1/grants/${id}/release`)
      return alice.post(`/v1/grants/${id}/tokens`)
    },
  },
  recently_revoked: {
    status: 409,
    more: { retry_after_seconds: problemMore.retryAfter },
    headers: { 'retry-after': /^[1-9]\d*$/ },
    provoke: async () => {
      const reader = { ...ask, role: 'reader' }
      const first = await (await as('dana')).post('/v1/requests', reader)
      await (await as('dana')).post(`/v1/grants/${first.body.grant_id}/tokens`)
      await (await as('frank')).post('/v1/subjects/dana@example.com/revoke', why)
      const dana = await as('dana')
      const again = await dana.post('/v1/requests', reader)
      return dana.post(`/v1/grants/${again.body.grant_id}/tokens`)
    },
  },
  break_glass_unreviewed: {
    status: 409,
    more: { request_id: problemMore.requestId },
    provoke: async () => {
      const emergency = { ...ask, duration_seconds: 600, is_break_glass: true }
      const dana = await as('dana')
      const first = await dana.post('/v1/requests', emergency)
      const second = await dana.post('/v1/requests', emergency)
      await reviewed('sam', first.body.id)
      return second
    },
  },
  idempotency_in_progress: { status: 409, provoke: provokeInProgress },
  secret_already_shown: {
    status: 409,
    more: { client_id: problemMore.clientId },
    provoke: async () => {
      const erin = await as('erin')
      const key = { 'Idempotency-Key': 'one credential' }
      await erin.post('/v1/resources/billing-api/credentials', {}, key)
      return erin.post('/v1/resources/billing-api/credentials', {}, key)
    },
  },
  too_large: {
    status: 413,
    headers: { connection: /^close$/ },
    provoke: async () => rawPost((await as('alice')).token, 'x'.repeat(200_000)),
  },
  unsupported_media_type: {
    status: 415,
    provoke: async () =>
      (await as('alice')).post('/v1/requests', ask, { 'Content-Type': 'text/plain' }),
  },
  invalid_input: {
    status: 422,
    more: { errors: problemMore.errors },
    provoke: async () => (await as('alice')).post('/v1/requests', { ...ask, colour: 'red' }),
  },
  outside_policy: {
    status: 422,
    more: { reasons: problemMore.reasons },
    provoke: async () => (await as('alice')).post('/v1/requests', { ...ask, ticket: 'CHG-9' }),
  },
  wider_than_asked: {
    status: 422,
    provoke: async () =>
      reviewed('bob', (await asked('alice')).id, { verdict: 'approve', duration_seconds: 7200 }),
  },
  invalid_cursor: {
    status: 422,
    provoke: async () => (await as('alice')).get('/v1/requests?cursor=elsewhere'),
  },
  idempotency_key_reused: {
    status: 422,
    provoke: async () => {
      const alice = await as('alice')
      const key = { 'Idempotency-Key': 'one comment' }
      const { id } = await asked('alice')
      await alice.post(`/v1/requests/${id}/comments`, { text: 'one' }, key)
      return alice.post(`/v1/requests/${id}/comments`, { text: 'another' }, key)
    },
  },
  rate_limited: {
    status: 429,
    more: { retry_after_seconds: problemMore.retryAfter },
    headers: { 'retry-after': /^[1-9]\d*$/ },
    provoke: async () => {
      for (let count = 0; count < 100; count += 1) {
        const answer = await call(`${strange.url}/dev/sign-in`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ subject: 'alice@example.com' }),
        })
        if (answer.status !== 200) return answer
      }
      throw new Error('a hundred sign-ins were let through')
    },
  },
  cannot_decide: {
    status: 503,
    headers: { 'retry-after': /^[1-9]\d*$/ },
    provoke: async () => {
      const alice = await signIn(strange.url, 'alice@example.com')
      return alice.post('/v1/requests', ask)
    },
  },
}

/** While the first call waits for Alice's row, the second comes with the same key. */
async function provokeInProgress(): Promise<Answer> {
  const alice = await as('alice')
  const owner = new pg.Client(broker.database.ownerConnection)
  await owner.connect()
  try {
    await owner.query('begin')
    await owner.query(`select id from subject where id = 'alice@example.com' for update`)
    const key = { 'Idempotency-Key': 'two clicks' }
    const body = { ...ask, role: 'reader' }
    const first = alice.post('/v1/requests', body, key)
    await until('the first call waits', async () => {
      const { rows } = await owner.query(
        `select count(*)::int as waiting from pg_locks
         where not granted and transactionid = pg_current_xact_id()::xid`,
      )
      return rows[0].waiting > 0
    })
    const second = await alice.post('/v1/requests', body, key)
    await owner.query('rollback')
    expect((await first).status).toBe(201)
    return second
  } finally {
    await owner.end()
  }
}

/** Past fetch, which hides the connection. */
function rawPost(token: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      `${broker.url}/v1/requests`,
      {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      },
      (response) => {
        let text = ''
        response.on('data', (part) => {
          text += part
        })
        response.on('end', () => {
          const headers = new Headers(Object.entries(response.headers).map(([n, v]) => [n, `${v}`]))
          resolve({ status: response.statusCode ?? 0, headers, body: JSON.parse(text) })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

describe('every refusal is a problem document', () => {
  // cannot_decide before rate_limited, which uses up the sign-ins
  const codes = Object.keys(provocations).toSorted() as ErrorCode[]

  it.each(codes)('%s', async (code) => {
    const provocation = provocations[code]
    if (typeof provocation === 'string') return
    const { status, more = {}, headers = {} } = provocation
    const answer = await provocation.provoke()
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status,
      body: { status, code, type: `urn:hallpass:problem:${code}` },
    })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(problemShape(more).safeParse(answer.body).error?.issues).toBeUndefined()
    for (const [name, pattern] of Object.entries(headers)) {
      expect(answer.headers.get(name)).toMatch(pattern)
    }
    if (!('retry-after' in headers)) expect(answer.headers.has('retry-after')).toBe(false)
  })

  it('what is of no use to the caller is told to no caller', async () => {
    const answer = await (await as('alice')).get('/v1/requests?cursor=elsewhere')
    expect(Object.keys(answer.body).sort()).toEqual(['code', 'detail', 'status', 'title', 'type'])
    expect(answer.headers.get('server')).toBeNull()
    expect(answer.headers.get('x-powered-by')).toBeNull()
  })
})
