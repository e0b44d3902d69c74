import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { decodeProtectedHeader } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { type Client, call, clientWith, signIn } from '../support/client.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

const installation = await useInstallation()
let a: BrokerProcess
let b: BrokerProcess
let alice: Client
let bob: Client
let sam: Client
let credential: string

const ask = { role: 'billing-reader', duration_seconds: 3600, justification: 'look at an invoice' }
const onB = (client: Client) => clientWith(b.url, client.token)

async function introspectOnB(token: string) {
  const { body } = await call(`${b.url}/oauth/introspect`, {
    method: 'POST',
    headers: { Authorization: credential, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  })
  return body
}

async function tokenOf(client: Client): Promise<{ grantId: string; token: string }> {
  const asked = await client.post('/v1/requests', ask)
  const minted = await client.post(`/v1/grants/${asked.body.grant_id}/tokens`)
  return { grantId: asked.body.grant_id, token: minted.body.access_token }
}

/** The command line, acting on the database beside replica A. */
async function operate(...command: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(installationRoot, 'dist/src/cli/main.js'), ...command],
    { cwd: installation.dataDirectory, env: { ...installation.environment } },
  )
  return stdout
}

beforeAll(async () => {
  const replicas = await Promise.all([installation.start(), installation.start()])
  a = replicas[0]
  b = replicas[1]
  alice = await signIn(a.url, 'alice@example.com')
  bob = await signIn(a.url, 'bob@example.com')
  sam = await signIn(a.url, 'sam@example.com')
  const { body } = await bob.post('/v1/resources/billing-api/credentials')
  credential = `Basic ${Buffer.from(`${encodeURIComponent(body.client_id)}:${body.client_secret}`).toString('base64')}`
}, 30_000)

describe('two replicas behave as one', () => {
  it('know a session at once wherever it was opened, and refuse it at once when it ended', async () => {
    const dana = await signIn(a.url, 'dana@example.com')
    expect((await onB(dana).get('/v1/me')).body.subject).toBe('dana@example.com')
    expect((await dana.post('/v1/sign-out')).status).toBe(204)
    expect((await onB(dana).get('/v1/me')).status).toBe(401)
  })

  it('refuse a token on one at once when the other revoked, released or suspended its grant', async () => {
    for (const [client, move, body] of [
      [sam, 'revoke', { reason: 'leaked' }],
      [sam, 'suspend', { reason: 'looking into it' }],
      [alice, 'release', {}],
    ] as const) {
      const { grantId, token } = await tokenOf(alice)
      expect(await introspectOnB(token)).toMatchObject({ active: true, grant_id: grantId })
      expect((await client.post(`/v1/grants/${grantId}/${move}`, body)).status).toBe(200)
      expect(await introspectOnB(token)).toEqual({ active: false })
      expect((await onB(alice).post(`/v1/grants/${grantId}/tokens`)).status).toBe(409)
    }
  })

  it('run a call once when its key comes to both at the same moment, and replay it on either', async () => {
    for (let round = 0; round < 20; round += 1) {
      const body = { ...ask, duration_seconds: 600 + round }
      const headers = { 'Idempotency-Key': `both at once ${round}` }
      const answers = await Promise.all([
        alice.post('/v1/requests', body, headers),
        onB(alice).post('/v1/requests', body, headers),
      ])
      const statuses = answers.map(({ status, body: { code } }) => code ?? status)
      const made = answers.filter(
        ({ status, headers: h }) => status === 201 && !h.has('idempotent-replayed'),
      )
      expect(made, JSON.stringify(statuses)).toHaveLength(1)
      for (const client of [alice, onB(alice)]) {
        const again = await client.post('/v1/requests', body, headers)
        expect(again.headers.get('idempotent-replayed')).toBe('true')
        expect(again.body.id).toBe(made[0]?.body.id)
      }
      const other = await onB(alice).post('/v1/requests', ask, headers)
      expect(other.body.code).toBe('idempotency_key_reused')
    }
    const rows = await installation.query(
      'select 1 from access_request where duration_seconds between 600 and 619',
    )
    expect(rows).toHaveLength(20)
  }, 30_000)

  it('decide by a new catalog at once on both', async () => {
    const preview = () => onB(alice).post('/v1/requests/preview', ask)
    expect((await preview()).body.decision).toBe('allow')
    const { token, grantId } = await tokenOf(alice)
    const example = readFileSync(join(installationRoot, 'example/hallpass.yaml'), 'utf8')
    const strict = example.replace(
      'requesters: [everyone, "workload:invoice-bot"]\n    max_duration: 8h',
      'requesters: [security]\n    max_duration: 8h',
    )
    expect(strict).not.toBe(example)
    await operate('catalog', 'apply', installation.write('strict.yaml', strict))
    for (const client of [alice, onB(alice)]) {
      expect((await client.post('/v1/requests', ask)).body.code).toBe('not_eligible')
      // the grant stays, and gives no more tokens
      const minted = await client.post(`/v1/grants/${grantId}/tokens`)
      expect([minted.status, minted.body.code]).toEqual([403, 'not_eligible'])
    }
    expect(await introspectOnB(token)).toMatchObject({ active: true })
    await operate('catalog', 'apply', '--force', installation.write('example.yaml', example))
    for (const client of [alice, onB(alice)]) {
      expect((await client.post('/v1/requests', ask)).status).toBe(201)
    }
  }, 30_000)

  it('publish no revoked key on either, refuse its tokens, and sign with another', async () => {
    const { token, grantId } = await tokenOf(alice)
    const kid = decodeProtectedHeader(token).kid ?? ''
    const published = async (url: string) =>
      (await call(`${url}/oauth/jwks`)).body.keys.map((key: { kid: string }) => key.kid)
    expect(await published(b.url)).toContain(kid)
    expect(await introspectOnB(token)).toMatchObject({ active: true })
    await operate('keys', 'revoke', kid)
    expect(await published(a.url)).not.toContain(kid)
    expect(await published(b.url)).toEqual(await published(a.url))
    expect(await introspectOnB(token)).toEqual({ active: false })
    const minted = await onB(alice).post(`/v1/grants/${grantId}/tokens`)
    expect(minted.status).toBe(201)
    expect(await published(a.url)).toContain(decodeProtectedHeader(minted.body.access_token).kid)
    expect(await introspectOnB(minted.body.access_token)).toMatchObject({ active: true })
  }, 30_000)

  it('end everything of a disabled person on both', async () => {
    const { token } = await tokenOf(alice)
    const waiting = await alice.post('/v1/requests', {
      ...ask,
      role: 'billing-operator',
    })
    const disabled = await sam.post('/v1/subjects/alice@example.com/disable', { reason: 'left' })
    expect(disabled.status).toBe(200)
    expect((await onB(alice).get('/v1/me')).status).toBe(401)
    expect(await introspectOnB(token)).toEqual({ active: false })
    await expect(signIn(b.url, 'alice@example.com')).rejects.toThrow('403')
    const viewed = await onB(bob).get(`/v1/requests/${waiting.body.id}`)
    expect(viewed.body.state).toBe('cancelled')
  })

  it('let either stop without a word to the other', async () => {
    await a.stop()
    expect((await onB(bob).get('/v1/me')).status).toBe(200)
    await b.stop()
  })
})
