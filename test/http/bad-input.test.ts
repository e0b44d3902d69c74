import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Answer, type Client, call, signIn } from '../support/client.ts'

const broker = useTestBroker()
let alice: Client

beforeAll(async () => {
  alice = await signIn(broker.url, 'alice@example.com')
})

const ask = {
  role: 'billing-operator',
  duration_seconds: 600,
  justification: 'a good reason',
  ticket: 'INC-1',
}

function pointersOf(answer: Answer): string[] {
  return answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.body.detail.length).toBeGreaterThan(5)
  expect(JSON.stringify(answer.body)).not.toMatch(/ at .*\.(ts|js):\d+/)
}

describe('a body', () => {
  it('with an unknown field is refused by pointer', async () => {
    const answer = await alice.post('/v1/requests', { ...ask, admin: true })
    expectProblem(answer, 422, 'invalid_input')
    expect(pointersOf(answer)).toEqual(['/admin'])
  })

  it('with several faults names them all', async () => {
    const answer = await alice.post('/v1/requests', {
      role: 7,
      duration_seconds: 'long',
      justification: ['a'],
    })
    expectProblem(answer, 422, 'invalid_input')
    expect(pointersOf(answer).sort()).toEqual(['/duration_seconds', '/justification', '/role'])
  })

  it.each([
    ['zero', 0],
    ['negative', -60],
    ['fractional', 1.5],
    ['absurd', 1e12],
    ['not finite', Number.NaN],
  ])('with a %s duration is refused', async (_, duration) => {
    const answer = await alice.post('/v1/requests', { ...ask, duration_seconds: duration })
    expect(answer.status).toBe(422)
    expect(['invalid_input', 'outside_policy']).toContain(answer.body.code)
  })

  it.each([
    ['a NUL', 'void\u0000it'],
    ['an escape sequence', 'void \u001b[31mred'],
    ['a bidirectional override', 'void \u202eeciovni'],
  ])('with %s in the justification is refused', async (_, justification) => {
    const answer = await alice.post('/v1/requests', { ...ask, justification })
    expectProblem(answer, 422, 'invalid_input')
    expect(pointersOf(answer)).toEqual(['/justification'])
  })

  it('with a justification of more than 500 characters is refused', async () => {
    const answer = await alice.post('/v1/requests', { ...ask, justification: 'x'.repeat(501) })
    expectProblem(answer, 422, 'invalid_input')
  })

  it.each([
    ['yesterday', () => new Date(Date.now() - 86_400_000).toISOString()],
    ['31 days ahead', () => new Date(Date.now() + 31 * 86_400_000).toISOString()],
    ['no time at all', () => 'tomorrow'],
  ])('that starts %s is refused', async (_, startsAt) => {
    const answer = await alice.post('/v1/requests', { ...ask, starts_at: startsAt() })
    expectProblem(answer, 422, 'invalid_input')
    expect(pointersOf(answer)).toEqual(['/starts_at'])
  })

  it('that is not JSON is refused', async () => {
    const answer = await call(`${broker.url}/v1/requests`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${alice.token}`, 'Content-Type': 'application/json' },
      body: '{"role": ',
    })
    expectProblem(answer, 422, 'invalid_input')
  })

  it.each(['null', '[]', '"text"', '7'])(
    'that is %s instead of an object is refused',
    async (body) => {
      const answer = await call(`${broker.url}/v1/requests`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${alice.token}`, 'Content-Type': 'application/json' },
        body,
      })
      expectProblem(answer, 422, 'invalid_input')
    },
  )

  it('of another type than JSON is refused as such', async () => {
    const answer = await call(`${broker.url}/v1/requests`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${alice.token}`, 'Content-Type': 'text/plain' },
      body: JSON.stringify(ask),
    })
    expectProblem(answer, 415, 'unsupported_media_type')
  })

  it('that is too large is refused, and the connection closed', async () => {
    const status = await rawPost(`${broker.url}/v1/requests`, alice.token, 200_000)
    expect(status).toEqual({ status: 413, connection: 'close' })
  })

  it.each([
    ['a length', 'Content-Length: 500\r\n\r\n{"role":'],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n8\r\n{"role":'],
  ])('that breaks off, announced with %s, is no fault of the broker', async (_, rest) => {
    const before = broker.logLines.length
    const { port } = new URL(broker.url)
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      `POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${alice.token}\r\nContent-Type: application/json\r\n${rest}`,
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect((await alice.get('/v1/me')).status).toBe(200)
    const errors = broker.logLines.slice(before).filter((line) => line.includes('"error"'))
    expect(errors).toEqual([])
  })

  it('that polluted a prototype changes nothing', async () => {
    const answer = await call(`${broker.url}/v1/requests`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${alice.token}`, 'Content-Type': 'application/json' },
      body: '{"__proto__": {"role": "billing-operator"}, "duration_seconds": 60}',
    })
    expect(answer.status).toBe(422)
    expect(Object.hasOwn(Object.prototype, 'role')).toBe(false)
  })
})

describe('a query', () => {
  it.each(['limit=0', 'limit=201', 'limit=ten', 'limit=1&limit=2', 'state=open', 'nope=1'])(
    'with %s is refused',
    async (query) => {
      expectProblem(await alice.get(`/v1/requests?${query}`), 422, 'invalid_input')
    },
  )

  it('with a cursor from elsewhere is refused', async () => {
    expectProblem(await alice.get('/v1/requests?cursor=abc'), 422, 'invalid_cursor')
    expectProblem(await alice.get('/v1/grants?cursor=eyJpZCI6MX0'), 422, 'invalid_cursor')
  })
})

describe('a path or query that the database could not hold', () => {
  let sam: Client
  beforeAll(async () => {
    sam = await signIn(broker.url, 'sam@example.com')
  })

  it.each([
    ['POST', '/v1/grants/%00/tokens', '/id'],
    ['DELETE', '/v1/me/sessions/%00', '/id'],
    ['GET', '/v1/resources/%00/credentials', '/name'],
    ['DELETE', '/v1/resources/billing-api/credentials/%00', '/client_id'],
    ['DELETE', '/v1/workloads/invoice-bot/credentials/a%07b', '/client_id'],
  ])('%s %s is refused by pointer', async (method, path, pointer) => {
    const headers = { Authorization: `Bearer ${sam.token}` }
    const answer = await call(broker.url + path, { method, headers })
    expectProblem(answer, 422, 'invalid_input')
    expect(pointersOf(answer)).toEqual([pointer])
  })

  it('as the subject of an explanation is refused by pointer', async () => {
    const body = { role: 'billing-reader', subject: 'a\u0000', duration_seconds: 60 }
    const answer = await sam.post('/v1/catalog/explain', body)
    expectProblem(answer, 422, 'invalid_input')
    expect(pointersOf(answer)).toEqual(['/subject'])
  })

  it.each([
    ['from=0000-01-01T00:00:00Z', true],
    ['from=9999-12-31T23:59:59-23:59', false],
    ['to=0001-01-01T00:00:00%2B23:59', false],
    ['to=9999-12-31T23:59:59Z', true],
  ])('as an instant of the audit log (%s) filters as any other', async (query, isFound) => {
    const answer = await sam.get(`/v1/audit?unsealed=true&${query}`)
    expect(answer.status).toBe(200)
    expect(answer.body.items.length > 0).toBe(isFound)
  })

  it('unknown to the list of grants is refused', async () => {
    expectProblem(await sam.get('/v1/grants?nope=1'), 422, 'invalid_input')
  })
})

describe('a credential', () => {
  it.each([
    ['nothing', undefined],
    ['another scheme', 'Basic YWxpY2U6cGFzcw=='],
    ['an unknown session', `Bearer hps_${'x'.repeat(43)}`],
    ['an unsigned JWT', 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZUBleGFtcGxlLmNvbSJ9.'],
    ['rubbish', 'Bearer ????'],
  ])('of %s is unauthenticated', async (_, authorization) => {
    const headers: Record<string, string> =
      authorization === undefined ? {} : { Authorization: authorization }
    const answer = await call(`${broker.url}/v1/me`, { headers })
    expectProblem(answer, 401, 'unauthenticated')
    expect(answer.headers.get('www-authenticate')).toContain('Bearer')
  })

  it.each(['/v1/revocations', '/v1/revocations/stream'])(
    'that is missing where a resource comes with its own (%s) is asked for as Basic',
    async (path) => {
      const answer = await alice.get(path)
      expectProblem(answer, 401, 'unauthenticated')
      expect(answer.headers.get('www-authenticate')).toBe('Basic realm="hallpass"')
    },
  )

  it('that is an access token is refused on /v1', async () => {
    const asked = await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 60,
      justification: 'look at one invoice',
    })
    const minted = await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
    const answer = await call(`${broker.url}/v1/me`, {
      headers: { Authorization: `Bearer ${minted.body.access_token}` },
    })
    expectProblem(answer, 401, 'unauthenticated')
  })

  it('in a cookie counts for nothing on /v1', async () => {
    const answer = await call(`${broker.url}/v1/me`, {
      headers: { Cookie: `__Host-hallpass=${alice.token}; session=${alice.token}` },
    })
    expectProblem(answer, 401, 'unauthenticated')
  })
})

describe('an Idempotency-Key', () => {
  it.each(['', 'x'.repeat(256), 'ä'])(
    'that is not 1 to 255 printable ASCII (%j) is refused',
    async (key) => {
      const answer = await alice
        .post('/v1/requests/preview', ask, { 'Idempotency-Key': key })
        .catch(() => undefined)
      if (answer !== undefined) expectProblem(answer, 422, 'invalid_input')
    },
  )

  it('repeats the first answer, and refuses another body', async () => {
    const headers = { 'Idempotency-Key': 'the same click' }
    const reader = {
      role: 'billing-reader',
      duration_seconds: 60,
      justification: 'read one invoice',
    }
    const first = await alice.post('/v1/requests', reader, headers)
    const again = await alice.post('/v1/requests', reader, headers)
    expect(first.status).toBe(201)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    expect({ status: again.status, body: again.body }).toEqual({ status: 201, body: first.body })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    const other = await alice.post('/v1/requests', { ...reader, duration_seconds: 61 }, headers)
    expectProblem(other, 422, 'idempotency_key_reused')
  })

  it('belongs to one actor and one path', async () => {
    const bob = await signIn(broker.url, 'dana@example.com')
    const headers = { 'Idempotency-Key': 'shared key' }
    const reader = {
      role: 'billing-reader',
      duration_seconds: 60,
      justification: 'read one invoice',
    }
    const hers = await alice.post('/v1/requests', reader, headers)
    const theirs = await bob.post('/v1/requests', reader, headers)
    expect(theirs.status).toBe(201)
    expect(theirs.body.id).not.toBe(hers.body.id)
  })

  it('signs the same claims again when a mint is repeated', async () => {
    const asked = await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 60,
      justification: 'read one invoice',
    })
    const headers = { 'Idempotency-Key': 'one mint' }
    const path = `/v1/grants/${asked.body.grant_id}/tokens`
    const [first, again] = [
      await alice.post(path, {}, headers),
      await alice.post(path, {}, headers),
    ]
    const claims = (answer: Answer) =>
      JSON.parse(Buffer.from(answer.body.access_token.split('.')[1], 'base64url').toString())
    expect(claims(again)).toEqual(claims(first))
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  })
})

describe('/dev/*', () => {
  const body = JSON.stringify({ subject: 'alice@example.com' })
  const json = { 'Content-Type': 'application/json' }

  it.each([
    ['a foreign Origin', { ...json, Origin: 'https://evil.example' }],
    ['X-Forwarded-For', { ...json, 'X-Forwarded-For': '127.0.0.1' }],
    ['Forwarded', { ...json, Forwarded: 'for=127.0.0.1' }],
    ['Via', { ...json, Via: '1.1 proxy' }],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }],
  ])('refuses %s', async (_, headers: Record<string, string>) => {
    const answer = await call(`${broker.url}/dev/sign-in`, { method: 'POST', headers, body })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(JSON.stringify(answer.body)).not.toContain('hps_')
  })

  it('refuses a Host that is not a loopback name', async () => {
    const answer = await rawWithHost(broker.url, 'access.evil.example', body)
    expect(answer).toBeGreaterThanOrEqual(400)
  })
})

describe('what does not exist', () => {
  it('is 404 as a problem', async () => {
    expectProblem(await alice.get('/v1/nothing'), 404, 'not_found')
    expectProblem(await alice.get('/v1/requests/req_unknown'), 404, 'not_found')
    expectProblem(await alice.get(`/v1/grants/${'g'.repeat(5000)}`), 422, 'invalid_input')
  })
})

function rawPost(url: string, token: string, bytes: number) {
  return new Promise<{ status: number | undefined; connection: string | undefined }>(
    (resolve, reject) => {
      const sent = request(url, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${token}`,
          'Content-Type': 'application/json',
          'Content-Length': bytes,
        },
      })
      sent.on('response', (response) => {
        resolve({ status: response.statusCode, connection: response.headers.connection })
        response.resume()
        sent.destroy()
      })
      sent.on('error', reject)
      sent.write('{"justification": "')
    },
  )
}

function rawWithHost(url: string, host: string, body: string): Promise<number> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname,
        port,
        path: '/dev/sign-in',
        method: 'POST',
        headers: { Host: host, 'Content-Type': 'application/json' },
      },
      (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
