import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createSession,
  endSessionsOf,
  ensureSubject,
  forgetEndedIdentityRows,
  lockSubject,
  setDisabled,
} from '../../src/identity/index.ts'
import { call, clientWith, signIn } from '../support/client.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer()
const { services, clock } = room
const unauthenticated = { status: 401, body: { code: 'unauthenticated' } }
const started = clock.now()

async function disable(subject: string): Promise<void> {
  await services.database.transaction(async (tx) => {
    await ensureSubject(tx, services, subject)
    await lockSubject(tx, subject, 'update')
    await setDisabled(tx, services, subject, 'left the company')
    await endSessionsOf(tx, services, subject)
  })
}

async function enable(subject: string): Promise<void> {
  await services.database.transaction((tx) => setDisabled(tx, services, subject, null))
}

function openSession(subject: string, via: 'client_credentials' | 'browser' | 'api') {
  return services.database.transaction((tx) =>
    createSession(tx, services, { subject, via, authenticatedBy: 'test' }),
  )
}

describe('a session token', () => {
  beforeEach(() => {
    clock.set(started)
  })

  it('says who its bearer is', async () => {
    const alice = await signIn(room.url, 'alice@example.com')
    const me = await alice.get('/v1/me')
    expect(me.status).toBe(200)
    expect(me.body).toEqual({
      subject: 'alice@example.com',
      kind: 'person',
      groups: ['engineering', 'everyone'],
      is_admin: false,
      expires_at: new Date(started.getTime() + 8 * 3600 * 1000).toISOString(),
    })
    const sam = await signIn(room.url, 'sam@example.com')
    expect((await sam.get('/v1/me')).body).toMatchObject({ is_admin: true })
  })

  it('has 256 random bits and rests as a hash alone', async () => {
    const { token } = await signIn(room.url, 'alice@example.com')
    expect(token).toMatch(/^hps_[A-Za-z0-9_-]{43}$/)
    const { rows } = await services.database.read((db) =>
      db.execute(sql`select secret_hash, session::text as everything from session
                     order by id desc limit 50`),
    )
    const digest = createHash('sha256').update(token).digest()
    expect(rows.some(({ secret_hash }) => digest.equals(secret_hash as Buffer))).toBe(true)
    for (const { everything } of rows) expect(everything).not.toContain(token.slice(4))
  })

  it.each([
    ['no header', {}],
    ['an unknown token', { Authorization: `Bearer hps_${'A'.repeat(43)}` }],
    ['a token without its prefix', { Authorization: `Bearer ${'A'.repeat(43)}` }],
    ['another scheme', { Authorization: 'Basic aHBzXzphYmM=' }],
    ['two tokens', { Authorization: 'Bearer hps_a, Bearer hps_b' }],
    ['a cookie', { Cookie: `__Host-hallpass=hps_${'A'.repeat(43)}` }],
  ])('is asked for when there is %s', async (_name, headers) => {
    expect(await call(`${room.url}/v1/me`, { headers })).toMatchObject(unauthenticated)
  })

  it('is over after 30 idle minutes, and stays over when used too late', async () => {
    const alice = await signIn(room.url, 'alice@example.com')
    clock.advance(30 * 60 - 1)
    expect((await alice.get('/v1/me')).status).toBe(200)
    clock.advance(30 * 60 - 1)
    expect((await alice.get('/v1/me')).status).toBe(200)
    clock.advance(30 * 60)
    expect(await alice.get('/v1/me')).toMatchObject(unauthenticated)
    expect(await alice.get('/v1/me')).toMatchObject(unauthenticated)
  })

  it('is over after 8 hours, however busy', async () => {
    const alice = await signIn(room.url, 'alice@example.com')
    for (let minutes = 20; minutes < 8 * 60; minutes += 20) {
      clock.advance(20 * 60)
      expect((await alice.get('/v1/me')).status).toBe(200)
    }
    clock.advance(20 * 60 - 1)
    expect((await alice.get('/v1/me')).status).toBe(200)
    clock.advance(1)
    expect(await alice.get('/v1/me')).toMatchObject(unauthenticated)
  })

  it('writes its last use at most once a minute', async () => {
    const alice = await signIn(room.url, 'alice@example.com')
    const lastSeen = async () => {
      const { body } = await alice.get('/v1/me/sessions')
      return body.items.find((item: { is_current: boolean }) => item.is_current).last_seen_at
    }
    clock.advance(59)
    expect(await lastSeen()).toBe(started.toISOString())
    clock.advance(1)
    expect(await lastSeen()).toBe(clock.now().toISOString())
  })

  it('ends at sign-out, and only that one', async () => {
    const [one, two] = [
      await signIn(room.url, 'bob@example.com'),
      await signIn(room.url, 'bob@example.com'),
    ]
    expect((await one.post('/v1/sign-out')).status).toBe(204)
    expect(await one.get('/v1/me')).toMatchObject(unauthenticated)
    expect((await two.get('/v1/me')).status).toBe(200)
    expect(await one.post('/v1/sign-out')).toMatchObject(unauthenticated)
  })

  it('can be ended by its owner from another session, and by nobody else', async () => {
    const [here, lost] = [
      await signIn(room.url, 'carol@example.com'),
      await signIn(room.url, 'carol@example.com'),
    ]
    const mine = (await lost.get('/v1/me/sessions')).body.items.find(
      (item: { is_current: boolean }) => item.is_current,
    )
    const sam = await signIn(room.url, 'sam@example.com')
    expect(await sam.delete(`/v1/me/sessions/${mine.id}`)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    })
    expect((await here.delete(`/v1/me/sessions/${mine.id}`)).status).toBe(204)
    expect(await lost.get('/v1/me')).toMatchObject(unauthenticated)
    expect((await here.delete(`/v1/me/sessions/${mine.id}`)).status).toBe(404)
  })

  it('is refused at once when its subject is disabled, on every door, until enabled and signed in anew', async () => {
    const dana = await signIn(room.url, 'dana@example.com')
    await disable('dana@example.com')
    expect(await dana.get('/v1/me')).toMatchObject(unauthenticated)
    const again = await call(`${room.url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: 'dana@example.com' }),
    })
    expect(again).toMatchObject({ status: 403, body: { code: 'not_permitted' } })
    await enable('dana@example.com')
    expect(await dana.get('/v1/me')).toMatchObject(unauthenticated)
    expect((await (await signIn(room.url, 'dana@example.com')).get('/v1/me')).status).toBe(200)
  })

  it('does not slip past a disabling that is under way', async () => {
    const subject = 'dana@example.com'
    let slipping: Promise<unknown> = Promise.resolve()
    await services.database.transaction(async (tx) => {
      await ensureSubject(tx, services, subject)
      await lockSubject(tx, subject, 'update')
      slipping = openSession(subject, 'api').catch((error: unknown) => error)
      await new Promise((resolve) => setTimeout(resolve, 150))
      await setDisabled(tx, services, subject, 'left')
      await endSessionsOf(tx, services, subject)
    })
    expect(await slipping).toMatchObject({ code: 'not_permitted' })
    await enable(subject)
  })

  it('of a workload lasts no longer than it may idle, so its client can rely on expires_in', async () => {
    const { accessToken, expiresIn } = await openSession(
      'workload:invoice-bot',
      'client_credentials',
    )
    expect(expiresIn).toBe(30 * 60)
    const bot = clientWith(room.url, accessToken)
    expect((await bot.get('/v1/me')).body).toMatchObject({
      subject: 'workload:invoice-bot',
      kind: 'workload',
      is_admin: false,
    })
    clock.advance(30 * 60 - 1)
    expect((await bot.get('/v1/me')).status).toBe(200)
    clock.advance(1)
    expect(await bot.get('/v1/me')).toMatchObject(unauthenticated)
  })

  it('is not made from a cookie by changing its prefix', async () => {
    const { accessToken } = await openSession('alice@example.com', 'browser')
    expect(accessToken).toMatch(/^hpb_/)
    for (const token of [accessToken, accessToken.replace('hpb_', 'hps_')]) {
      expect(await clientWith(room.url, token).get('/v1/me')).toMatchObject(unauthenticated)
    }
  })
})

describe('the list of own sessions', () => {
  it('pages newest first, leaves out what is over, and takes no foreign cursor', async () => {
    clock.set(started)
    const subject = 'alice.admin@example.com'
    const ended = await signIn(room.url, subject)
    await ended.post('/v1/sign-out')
    clock.advance(10)
    await signIn(room.url, subject)
    for (let count = 0; count < 3; count += 1) {
      clock.advance(1)
      await signIn(room.url, subject)
    }
    clock.advance(30 * 60 - 2)
    const last = await signIn(room.url, subject)
    const first = await last.get('/v1/me/sessions?limit=2')
    expect(first.body.items).toHaveLength(2)
    expect(first.body.items[0]).toMatchObject({
      via: 'api',
      authenticated_by: 'development',
      is_current: true,
    })
    const rest = await last.get(`/v1/me/sessions?limit=2&cursor=${first.body.next_cursor}`)
    expect(rest.body).toMatchObject({ next_cursor: null })
    const ids = [...first.body.items, ...rest.body.items].map(({ id }: { id: string }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual([...ids].sort().reverse())
    expect(JSON.stringify(first.body)).not.toContain('hps_')
    for (const cursor of ['x', 'req_01ARZ3NDEKTSV4RRFFQ69G5FAV', "ses_' or 1=1 --"]) {
      const refused = await last.get(`/v1/me/sessions?cursor=${encodeURIComponent(cursor)}`)
      expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_cursor' } })
    }
    for (const limit of ['0', '201', '-1', 'many', '1.5']) {
      const refused = await last.get(`/v1/me/sessions?limit=${limit}`)
      expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_input' } })
    }
  })
})

describe('what is over', () => {
  it('is forgotten after a month, and nothing that still decides is', async () => {
    clock.set(started)
    const living = await signIn(room.url, 'bob@example.com')
    const forget = () =>
      services.database.transaction((tx) => forgetEndedIdentityRows(tx, services))
    await forget()
    expect((await living.get('/v1/me')).status).toBe(200)
    const count = async () => {
      const { rows } = await services.database.read((db) =>
        db.execute<{ count: number }>(sql`select count(*)::int as count from session`),
      )
      return rows[0]?.count
    }
    const before = await count()
    clock.advance(30 * 24 * 3600)
    await forget()
    expect(await count()).toBe(before)
    clock.advance(9 * 3600)
    expect(await forget()).toBe(before)
    expect(await count()).toBe(0)
    clock.set(started)
  })
})
