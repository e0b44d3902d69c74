import { request } from 'node:http'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { Browser, hiddenFields } from '../support/browser.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer()
const port = Number(new URL(room.url).port)

/** A call with headers that fetch would not send, above all Host. */
function send(
  headers: Record<string, string>,
  options: { readonly path?: string; readonly method?: string; readonly body?: string } = {},
): Promise<{ status: number; body: string }> {
  const { path = '/dev/sign-in', method = 'POST' } = options
  const body = options.body ?? JSON.stringify({ subject: 'alice@example.com' })
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        headers: { Host: `localhost:${port}`, 'Content-Type': 'application/json', ...headers },
      },
      (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
      },
    )
    call.on('error', reject)
    call.end(method === 'GET' ? undefined : body)
  })
}

describe('POST /dev/sign-in', () => {
  it('gives a session token to anybody the catalog names, in any case of letters', async () => {
    const { status, body } = await send({}, { body: '{"subject": "Alice@Example.com"}' })
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({
      access_token: expect.stringMatching(/^hps_[A-Za-z0-9_-]{43}$/),
      token_type: 'Bearer',
      expires_in: 8 * 3600,
    })
  })

  it('also for an alias, which is a subject of its own', async () => {
    const { status } = await send({}, { body: '{"subject": "alice.admin@example.com"}' })
    expect(status).toBe(200)
  })

  it.each(['mallory@example.com', 'workload:invoice-bot', 'billing-api', 'claim:okta-oncall', '*'])(
    'refuses %s and lists whom one may be',
    async (subject) => {
      const { status, body } = await send({}, { body: JSON.stringify({ subject }) })
      expect(status).toBe(422)
      const problem = JSON.parse(body)
      expect(problem.code).toBe('invalid_input')
      expect(problem.errors[0]).toMatchObject({ pointer: '/subject' })
      for (const person of ['alice@example.com', 'sam@example.com']) {
        expect(problem.errors[0].message).toContain(person)
      }
    },
  )

  it('audits a refused try, without what was typed', async () => {
    await send({}, { body: '{"subject": "a-password-by-mistake"}' })
    const { rows } = await room.services.database.read((db) =>
      db.execute(sql`select outcome, code, audit_entry::text as everything from audit_entry
                     where action = 'development-sign-in' order by ctid desc limit 1`),
    )
    expect(rows[0]).toMatchObject({ outcome: 'refused', code: 'invalid_input' })
    expect(rows[0]?.everything).not.toContain('a-password')
  })

  it.each([
    'evil.example',
    `evil.example:${port}`,
    `localhost.evil.example:${port}`,
    `127.0.0.1.evil.example:${port}`,
    '10.0.0.1',
    '0.0.0.0',
    'localhost:80:80',
    'evil.example@localhost',
    '[::2]',
  ])('refuses the Host %s (DNS rebinding)', async (host) => {
    const { status } = await send({ Host: host })
    expect([400, 403]).toContain(status)
  })

  it.each([`localhost:${port}`, `127.0.0.1:${port}`, '[::1]:8080', 'LOCALHOST'])(
    'takes the Host %s',
    async (host) => {
      expect((await send({ Host: host })).status).toBe(200)
    },
  )

  it.each([
    'https://evil.example',
    'null',
    `http://localhost:${port + 1}`,
    `https://localhost:${port}`,
    `http://localhost:${port}.evil.example`,
    'http://localhost',
  ])('refuses the Origin %s', async (origin) => {
    const { status, body } = await send({ Origin: origin })
    expect(status).toBe(403)
    expect(JSON.parse(body).code).toBe('not_permitted')
  })

  it('takes its own Origin', async () => {
    expect((await send({ Origin: `http://localhost:${port}` })).status).toBe(200)
  })

  it.each([
    { Forwarded: 'for=127.0.0.1' },
    { 'X-Forwarded-For': '127.0.0.1' },
    { 'X-Forwarded-Host': 'localhost' },
    { 'x-forwarded-anything': '' },
    { Via: '1.1 proxy' },
  ])('refuses what came through a proxy: %j', async (headers) => {
    expect((await send(headers)).status).toBe(403)
  })

  it.each(['application/x-www-form-urlencoded', 'text/plain', 'application/jsonp', ''])(
    'refuses a body of type %j, which a page from elsewhere could send without asking',
    async (type) => {
      expect((await send({ 'Content-Type': type })).status).toBe(415)
    },
  )

  it.each([
    ['an unknown field', '{"subject": "alice@example.com", "is_admin": true}'],
    ['no subject', '{}'],
    ['a number', '{"subject": 7}'],
    ['an empty subject', '{"subject": ""}'],
    ['an endless subject', JSON.stringify({ subject: 'a'.repeat(255) })],
    ['half a document', '{"subject": '],
    ['a NUL', '{"subject": "alice@example.com\\u0000"}'],
  ])('refuses %s', async (_name, body) => {
    expect((await send({}, { body })).status).toBe(422)
  })
})

describe('the development page', () => {
  it('signs in whom one chooses, with the token of that page alone', async () => {
    const browser = new Browser()
    const page = await browser.get(`${room.url}/sign-in`)
    expect(page.text).toContain('carol@example.com')
    const fields = hiddenFields(page, '/sign-in/development')
    const target = `${room.url}/sign-in/development`
    const forged = await browser.post(target, { subject: 'carol@example.com', form_token: 'x' })
    expect(forged.status).toBe(403)
    const other = await new Browser().post(target, { ...fields, subject: 'carol@example.com' })
    expect(other.status).toBe(403)
    const done = await browser.follow(
      await browser.post(target, { ...fields, subject: 'carol@example.com' }),
    )
    expect(done.text).toContain('carol@example.com')
    expect(done.text).toContain('Sign out')
  })

  it('answers a stranger and a foreign page with a page that says why', async () => {
    const browser = new Browser()
    const fields = hiddenFields(await browser.get(`${room.url}/sign-in`), '/sign-in/development')
    const stranger = await browser.post(`${room.url}/sign-in/development`, {
      ...fields,
      subject: 'mallory@example.com',
    })
    expect(stranger.status).toBe(422)
    const foreign = await browser.post(
      `${room.url}/sign-in/development`,
      { ...fields, subject: 'alice@example.com' },
      { Origin: 'https://evil.example' },
    )
    expect(foreign.status).toBe(403)
    expect(foreign.headers.get('content-type')).toContain('text/html')
    const rebound = await send({ Host: 'evil.example' }, { path: '/sign-in', method: 'GET' })
    expect(rebound.status).toBe(403)
    expect(rebound.body).not.toContain('alice@example.com')
  })

  it('has no provider to come back from', async () => {
    const browser = new Browser()
    expect((await browser.get(`${room.url}/auth/callback?code=x&state=y`)).status).toBe(404)
  })
})
