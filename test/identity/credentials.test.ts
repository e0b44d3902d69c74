import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { createSession, isCredentialLive } from '../../src/identity/index.ts'
import { type Answer, type Client, call, clientWith, signIn } from '../support/client.ts'
import { useRoomServer } from './room-server.ts'

const room = await useRoomServer()
const { services, clock } = room
const path = '/v1/resources/billing-api/credentials'
const workloadPath = '/v1/workloads/invoice-bot/credentials'

let alice: Client
let bob: Client
let sam: Client
let bot: Client

beforeAll(async () => {
  alice = await signIn(room.url, 'alice@example.com')
  bob = await signIn(room.url, 'bob@example.com')
  sam = await signIn(room.url, 'sam@example.com')
  const session = await services.database.transaction((tx) =>
    createSession(tx, services, {
      subject: 'workload:invoice-bot',
      via: 'client_credentials',
      authenticatedBy: 'private_key_jwt',
    }),
  )
  bot = clientWith(room.url, session.accessToken)
})

interface Credential {
  readonly client_id: string
  readonly client_secret: string
}

const basic = ({ client_id, client_secret }: Credential) =>
  `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`

function introspect(authorization: string): Promise<Answer> {
  return call(`${room.url}/oauth/introspect`, {
    method: 'POST',
    headers: { Authorization: authorization, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'token=whatever',
  })
}

function tokenWith(credential: Credential): Promise<Answer> {
  return call(`${room.url}/oauth/token`, {
    method: 'POST',
    headers: {
      Authorization: basic(credential),
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  })
}

async function events(type: string): Promise<readonly Record<string, unknown>[]> {
  const { rows } = await services.database.read((db) =>
    db.execute<{ data: Record<string, unknown> }>(
      sql`select data from outbox_event where type = ${type} order by sequence`,
    ),
  )
  return rows.map(({ data }) => data)
}

describe('a credential', () => {
  it('shows its secret once and rests as a hash', async () => {
    const made = await bob.post(path)
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    const { client_id, client_secret } = made.body
    expect(client_secret).toMatch(/^hpk_[A-Za-z0-9_-]{43}$/)
    const { rows } = await services.database.read((db) =>
      db.execute<{ secret_hash: Buffer }>(
        sql`select secret_hash from client_credential where client_id = ${client_id}`,
      ),
    )
    expect(rows[0]?.secret_hash).toEqual(createHash('sha256').update(client_secret).digest())
    const secret = client_secret.slice(4)
    const { rows: everything } = await services.database.read((db) =>
      db.execute(sql`select c::text from client_credential c union all
        select a::text from audit_entry a union all select o::text from outbox_event o union all
        select i::text from idempotency_key i`),
    )
    expect(JSON.stringify(everything)).not.toContain(secret)
    expect(room.logLines.join('\n')).not.toContain(secret)
    const listed = await bob.get(path)
    expect(JSON.stringify(listed.body)).not.toContain(secret)
    expect(listed.body.items[0]).toEqual({
      client_id,
      created_at: clock.now().toISOString(),
      created_by: 'bob@example.com',
      last_used_at: null,
    })
    expect(await events('credential.created')).toContainEqual({
      client_id,
      resource: 'billing-api',
      by: 'bob@example.com',
    })
  })

  it('made with an Idempotency-Key is made once, and the secret is not shown again', async () => {
    const headers = { 'Idempotency-Key': 'make-one' }
    const first = await bob.post(path, {}, headers)
    const again = await bob.post(path, {}, headers)
    expect(again).toMatchObject({
      status: 409,
      body: { code: 'secret_already_shown', client_id: first.body.client_id },
    })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(JSON.stringify(again.body)).not.toContain('hpk_')
    const { items } = (await bob.get(path)).body
    const same = items.filter((item: Credential) => item.client_id === first.body.client_id)
    expect(same).toHaveLength(1)
  })

  it('speaks for its own resource until it is deleted, then at once no more', async () => {
    const made = await bob.post(path)
    expect(await introspect(basic(made.body))).toMatchObject({
      status: 200,
      body: { active: false },
    })
    expect(await isCredentialLive(services, made.body.client_id)).toBe(true)
    const target = `${path}/${encodeURIComponent(made.body.client_id)}`
    expect((await bob.delete(target)).status).toBe(204)
    expect((await introspect(basic(made.body))).status).toBe(401)
    expect(await isCredentialLive(services, made.body.client_id)).toBe(false)
    expect(await bob.delete(target)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    const { items } = (await bob.get(path)).body
    expect(items.map((item: Credential) => item.client_id)).not.toContain(made.body.client_id)
    expect((await events('credential.deleted')).at(-1)).toMatchObject({
      client_id: made.body.client_id,
    })
  })

  it('is refused with a secret that is nearly right, another name, or nothing', async () => {
    const [one, two] = [(await bob.post(path)).body, (await bob.post(path)).body]
    const wrong: Credential[] = [
      { ...one, client_secret: `${one.client_secret}A` },
      { ...one, client_secret: one.client_secret.slice(0, -1) },
      { ...one, client_secret: two.client_secret },
      { ...one, client_id: 'billing-api' },
      { ...one, client_id: `${one.client_id}\0` },
      { ...one, client_id: "' or true --" },
    ]
    for (const credential of wrong) expect((await introspect(basic(credential))).status).toBe(401)
    for (const header of ['', 'Basic', `Bearer ${one.client_secret}`, `Bearer ${bob.token}`]) {
      expect((await introspect(header)).status).toBe(401)
    }
  })

  it('notes its last use, at most once a minute, off the path of the caller', async () => {
    const made = await bob.post(path)
    const lastUsed = async () =>
      (await bob.get(path)).body.items.find(
        (item: Credential) => item.client_id === made.body.client_id,
      ).last_used_at
    const first = clock.now().toISOString()
    await introspect(basic(made.body))
    await expect.poll(lastUsed).toBe(first)
    clock.advance(59)
    await introspect(basic(made.body))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await lastUsed()).toBe(first)
    clock.advance(1)
    await introspect(basic(made.body))
    await expect.poll(lastUsed).toBe(clock.now().toISOString())
  })

  it('of a workload opens sessions, which end with it; it is no credential of a resource', async () => {
    const made = await alice.post(workloadPath)
    expect(made.status).toBe(201)
    expect((await introspect(basic(made.body))).status).toBe(401)
    const session = await tokenWith(made.body)
    expect(session.status).toBe(200)
    const workload = clientWith(room.url, session.body.access_token)
    expect((await workload.get('/v1/me')).body).toMatchObject({ subject: 'workload:invoice-bot' })
    await alice.delete(`${workloadPath}/${encodeURIComponent(made.body.client_id)}`)
    expect((await workload.get('/v1/me')).status).toBe(401)
    expect(await tokenWith(made.body)).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  it('of a resource is no client at the token endpoint', async () => {
    const made = await bob.post(path)
    expect(await tokenWith(made.body)).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  it('does not open a session while it is being deleted', async () => {
    const { client_id } = (await alice.post(workloadPath)).body
    const open = () =>
      services.database.transaction((tx) =>
        createSession(tx, services, {
          subject: 'workload:invoice-bot',
          via: 'client_credentials',
          authenticatedBy: `client_secret:${client_id}`,
        }),
      )
    await open()
    await alice.delete(`${workloadPath}/${encodeURIComponent(client_id)}`)
    await expect(open()).rejects.toMatchObject({ code: 'unauthenticated' })
  })
})

describe('who may manage credentials', () => {
  const notPermitted = { status: 403, body: { code: 'not_permitted' } }

  it.each([
    ['owners of the resource', () => bob, path, 201],
    ['admins', () => sam, path, 201],
    ['owners of the workload', () => alice, workloadPath, 201],
    ['admins, for a workload', () => sam, workloadPath, 201],
    ['others', () => alice, path, 403],
    ['owners of a resource, for a workload', () => bob, workloadPath, 403],
    ['the workload itself', () => bot, workloadPath, 403],
    ['a workload, for a resource', () => bot, path, 403],
    ['owners of another resource', () => bob, '/v1/resources/ledger-api/credentials', 403],
  ])('%s', async (_name, who, target, status) => {
    expect((await who().post(target)).status).toBe(status)
    expect((await who().get(target)).status).toBe(status === 201 ? 200 : status)
  })

  it('tells an admin what does not exist, and others nothing', async () => {
    const unknown = '/v1/resources/no-such-api/credentials'
    expect(await sam.post(unknown)).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect(await bob.post(unknown)).toMatchObject(notPermitted)
    expect(await sam.get('/v1/workloads/billing-api/credentials')).toMatchObject({ status: 404 })
  })

  it('lets nobody delete by way of another owner what is not theirs', async () => {
    const { client_id } = (await bob.post(path)).body
    const id = encodeURIComponent(client_id)
    expect(await alice.delete(`${path}/${id}`)).toMatchObject(notPermitted)
    expect(await alice.delete(`/v1/resources/ledger-api/credentials/${id}`)).toMatchObject({
      status: 404,
    })
    expect(await alice.delete(`${workloadPath}/${id}`)).toMatchObject({ status: 404 })
    expect(await isCredentialLive(services, client_id)).toBe(true)
  })

  it('audits what was made, deleted and refused', async () => {
    await alice.post(path)
    const { rows } = await services.database.read((db) =>
      db.execute(sql`select action, outcome, code, resource, actor_id from audit_entry
                     order by ctid desc limit 1`),
    )
    expect(rows[0]).toEqual({
      action: 'create-credential',
      outcome: 'refused',
      code: 'not_permitted',
      resource: 'billing-api',
      actor_id: 'alice@example.com',
    })
  })

  it('takes no body but an empty one', async () => {
    expect(await bob.post(path, { client_secret: 'mine' })).toMatchObject({
      status: 422,
      body: { code: 'invalid_input', errors: [{ pointer: '/client_secret' }] },
    })
  })
})
