import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { createSecretBox } from '../../src/tokens/index.ts'
import { freePort } from '../support/broker.ts'
import { Browser, hiddenFields, type Visit } from '../support/browser.ts'
import { startIdentityProvider, type TestIdentityProvider } from '../support/identity-provider.ts'
import { until } from '../support/until.ts'
import { type BrokerProcess, type Installation, useInstallation } from './broker-process.ts'
import { PlantedSecrets, tapServer } from './planted-secrets.ts'

const planted = new PlantedSecrets()
const random = (bytes = 24) => randomBytes(bytes).toString('base64url')
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const botKeys = await generateKeyPair('ES256', { extractable: true })

const people = {
  engineering: ['alice@example.com'],
  leads: ['bob@example.com'],
  security: ['sam@example.com'],
}
const catalog = {
  version: 1,
  groups: people,
  admins: ['security'],
  workloads: {
    'key-bot': { owner: 'engineering', jwks_file: 'key-bot.json' },
    'secret-bot': { owner: 'engineering' },
  },
  resources: {
    api: {
      audience: 'https://api.example.com',
      owner: 'leads',
      sensitivity: 'high',
      scopes: { 'things:read': 'Read things' },
    },
  },
  roles: {
    reader: { resource: 'api', scopes: ['things:read'] },
    operator: { resource: 'api', scopes: ['things:read'] },
  },
  policies: [
    {
      name: 'read',
      roles: ['reader'],
      requesters: ['engineering', 'workload:key-bot', 'workload:secret-bot'],
      max_duration: '8h',
      approval: 'none',
    },
    {
      name: 'operate',
      roles: ['operator'],
      requesters: ['engineering'],
      max_duration: '8h',
      approval: [{ from: ['leads'], count: 1 }],
    },
  ],
}

const installation: Installation = await useInstallation({ catalog })
installation.write(
  'key-bot.json',
  JSON.stringify({ keys: [{ ...(await exportJWK(botKeys.publicKey)), alg: 'ES256' }] }),
)
const { issuer } = installation
let broker: BrokerProcess
let provider: TestIdentityProvider
let tap: ReturnType<typeof tapServer>

/** Bodies of every refusal, pages included, and what went to the receiver of events. */
const refusals: string[] = []
const events: string[] = []
let metrics = ''
let commandOutput = ''

const receiverPort = await freePort()
const receiver = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  events.push(Buffer.concat(chunks).toString())
  // the first ones are refused, so that failures are told of too
  response.writeHead(events.length <= 3 ? 500 : 204).end()
})

function withPassword(name: string, url: string): string {
  const changed = new URL(url)
  // where the server asks for none, it is sent all the same
  if (changed.password === '') changed.password = random()
  planted.add(name, changed.password)
  return changed.href
}

const masterKey = randomBytes(32)
const environment: Record<string, string> = {
  DATABASE_URL: withPassword('database password', installation.database.applicationUrl),
  HALLPASS_OWNER_DATABASE_URL: withPassword('owner password', installation.database.ownerUrl),
  HALLPASS_MASTER_KEY: planted.addBase64('master key', masterKey.toString('base64')),
  HALLPASS_MASTER_KEY_PREVIOUS: planted.addBase64(
    'previous master key',
    randomBytes(32).toString('base64'),
  ),
  HALLPASS_WEBHOOK_SECRET: planted.addBase64(
    'webhook secret',
    randomBytes(32).toString('base64'),
    'whsec_',
  ),
  HALLPASS_WEBHOOK_URL: `http://127.0.0.1:${receiverPort}/?key=${planted.add('webhook URL key', random())}`,
  HALLPASS_DEVELOPMENT: 'false',
}

interface Sent {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: bodies are asserted on, not typed
  readonly body: any
}

async function send(path: string, init: RequestInit = {}): Promise<Sent> {
  const response = await fetch(issuer + path, { redirect: 'manual', ...init })
  const text = await response.text()
  if (response.status >= 400) refusals.push(text)
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, body: isJson && text !== '' ? JSON.parse(text) : text }
}

function post(path: string, token: string, body: unknown = {}, headers = {}): Promise<Sent> {
  return send(path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

function form(path: string, fields: Record<string, string>, headers = {}): Promise<Sent> {
  return send(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  })
}

function basic(name: string, id: string, secret: string): { Authorization: string } {
  const credential = Buffer.from(
    `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`,
  ).toString('base64')
  return { Authorization: `Basic ${planted.add(`${name}, as header`, credential)}` }
}

function seen(visit: Visit): Visit {
  if (visit.status >= 400) refusals.push(visit.text)
  return visit
}

interface Person {
  readonly session: string
  readonly browser: Browser
}

/** Signs in at the provider, then gives the command line a session of its own. */
async function signIn(name: string): Promise<Person> {
  provider.setAccount({ sub: `sub-${name}`, email: `${name}@example.com`, email_verified: true })
  const browser = new Browser()
  const start = seen(await browser.get(`${issuer}/sign-in`))
  const callback = await browser.follow(start, (at) => at.pathname === '/auth/callback')
  const { searchParams } = callback.location ?? new URL(issuer)
  planted.add(`${name}'s code of the provider`, searchParams.get('code') ?? undefined)
  planted.add(`${name}'s state`, searchParams.get('state') ?? undefined)
  if (callback.location !== undefined) await browser.follow(await browser.get(callback.location))
  for (const [cookie, value] of browser.cookies('localhost')) {
    if (cookie.startsWith('__Host-')) planted.add(`${name}'s cookie ${cookie}`, value)
  }
  // the same callback again, as a thief would who reads histories
  if (callback.location !== undefined) seen(await browser.get(callback.location))
  const { code, verifier } = await codeFor(name, browser)
  const redeemed = await form('/oauth/token', redemption(code, verifier))
  expect(redeemed.status).toBe(200)
  return { session: planted.add(`${name}'s session`, redeemed.body.access_token), browser }
}

const redirectUri = 'http://127.0.0.1:53682/callback'
const redemption = (code: string, verifier: string) => ({
  grant_type: 'authorization_code',
  client_id: 'hallpass-cli',
  redirect_uri: redirectUri,
  code,
  code_verifier: verifier,
})

async function codeFor(name: string, browser: Browser) {
  const verifier = planted.add(`${name}'s verifier ${random(4)}`, random(32))
  const asking = new URL(`${issuer}/oauth/authorize`)
  asking.search = new URLSearchParams({
    response_type: 'code',
    client_id: 'hallpass-cli',
    redirect_uri: redirectUri,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: random(),
  }).toString()
  const page = await browser.get(asking)
  const fields = hiddenFields(page, '/oauth/authorize')
  planted.add(`${name}'s form token`, fields.form_token)
  const allowed = await browser.post(`${issuer}/oauth/authorize`, { ...fields, verdict: 'allow' })
  const code = allowed.location?.searchParams.get('code') ?? undefined
  return { code: planted.add(`${name}'s code ${random(4)}`, code), verifier }
}

async function assertion(name: string, changes: { audience?: string; expires?: string } = {}) {
  const token = await new SignJWT({ jti: planted.add(`${name}'s jti`, random()) })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer('key-bot')
    .setSubject('key-bot')
    .setAudience(changes.audience ?? issuer)
    .setIssuedAt()
    .setExpirationTime(changes.expires ?? '2m')
    .sign(botKeys.privateKey)
  return planted.addToken(name, token)
}

const asserted = (token: string) => ({
  grant_type: 'client_credentials',
  client_assertion_type: assertionType,
  client_assertion: token,
})

async function takeToken(
  name: string,
  session: string,
): Promise<{ grantId: string; token: string }> {
  const asked = await post('/v1/requests', session, {
    role: 'reader',
    duration_seconds: 3600,
    justification: 'look at things',
  })
  const key = planted.add(`${name}'s Idempotency-Key`, random())
  const minted = await post(
    `/v1/grants/${asked.body.grant_id}/tokens`,
    session,
    {},
    {
      'Idempotency-Key': key,
    },
  )
  expect(minted.status).toBe(201)
  await post(`/v1/grants/${asked.body.grant_id}/tokens`, session, {}, { 'Idempotency-Key': key })
  const token = planted.addToken(`${name}'s token`, minted.body.access_token)
  return { grantId: asked.body.grant_id, token }
}

async function succeed(alice: Person, bob: Person, sam: Person): Promise<void> {
  const credential = await post(
    '/v1/resources/api/credentials',
    bob.session,
    {},
    {
      'Idempotency-Key': planted.add('key of a credential', random()),
    },
  )
  planted.add('resource secret', credential.body.client_secret)
  const resource = basic('resource', credential.body.client_id, credential.body.client_secret)
  const { token, grantId } = await takeToken('alice', alice.session)
  const good = await form('/oauth/introspect', { token, scope: 'things:read' }, resource)
  expect(good.body.active).toBe(true)
  const bot = await form('/oauth/token', asserted(await assertion('assertion')))
  expect(bot.status).toBe(200)
  planted.add("key-bot's session", bot.body.access_token)
  await takeToken('key-bot', bot.body.access_token)
  const again = { scope: 'things:read', resource: 'https://api.example.com' }
  const direct = await form('/oauth/token', {
    ...asserted(await assertion('second assertion')),
    ...again,
  })
  planted.addToken("key-bot's direct token", direct.body.access_token)
  const made = await post('/v1/workloads/secret-bot/credentials', alice.session)
  planted.add('workload secret', made.body.client_secret)
  const { client_id, client_secret } = made.body
  const byBasic = await form(
    '/oauth/token',
    { grant_type: 'client_credentials' },
    basic('workload', client_id, client_secret),
  )
  planted.add("secret-bot's session", byBasic.body.access_token)
  const byPost = await form('/oauth/token', {
    grant_type: 'client_credentials',
    client_id,
    client_secret,
  })
  planted.add("secret-bot's second session", byPost.body.access_token)
  // taken back, deleted, signed out: what it was must not show either
  await form('/oauth/revoke', { token }, { Authorization: `Bearer ${alice.session}` })
  expect((await form('/oauth/introspect', { token }, resource)).body.active).toBe(false)
  const other = await post('/v1/resources/api/credentials', bob.session)
  planted.add('deleted secret', other.body.client_secret)
  await send(`/v1/resources/api/credentials/${encodeURIComponent(other.body.client_id)}`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${bob.session}` },
  })
  const deleted = basic('deleted', other.body.client_id, other.body.client_secret)
  expect((await form('/oauth/introspect', { token }, deleted)).status).toBe(401)
  await post(`/v1/grants/${grantId}/revoke`, sam.session, { reason: 'over' })
  await post('/v1/sign-out', byBasic.body.access_token)
  expect((await post('/v1/requests', byBasic.body.access_token)).status).toBe(401)
}

/** A secret where none belongs, once for every place that a person or program puts one by mistake. */
async function misplace(alice: Person, bob: Person, sam: Person): Promise<void> {
  const astray = (where: string) => planted.add(`secret in ${where}`, `hps_${random(32)}`)
  const { session } = alice
  const bearer = { Authorization: `Bearer ${session}` }
  const get = (path: string, headers: Record<string, string> = bearer) => send(path, { headers })
  await get('/v1/me', { 'X-Api-Key': astray('X-Api-Key') })
  await get('/v1/me', { Cookie: `hallpass=${astray('a cookie')}` })
  await get('/v1/me', { Authorization: astray('Authorization without a scheme') })
  await get('/v1/me', { Authorization: `Bearer ${astray('an unknown Bearer')}` })
  await get('/v1/me', { Authorization: `Token ${astray('another scheme')}` })
  await get('/v1/me', basic('a Basic header', 'alice', astray('Basic')))
  await get('/v1/me', {
    ...bearer,
    Via: astray('Via'),
    'X-Forwarded-For': astray('X-Forwarded-For'),
  })
  for (const path of [
    `/v1/me?access_token=${astray('a query')}`,
    `/${astray('an unknown path')}`,
    `/v1/requests/${astray("a request's path")}`,
    `/v1/grants/${astray("a grant's path")}`,
    `/v1/requests?cursor=${astray('a cursor')}`,
    `/v1/requests?state=${astray('a state filter')}`,
    `/v1/grants?limit=${astray('a limit')}`,
    `/oauth/authorize?client_id=${astray('client_id')}&redirect_uri=https://${astray('redirect_uri')}.example`,
    `/auth/callback?code=${astray('a forged code')}&state=${astray('a forged state')}`,
    `/auth/callback?error=${astray('error')}&error_description=${astray('error_description')}`,
    `/v1/audit?after=${astray('after')}`,
    `/v1/audit/inclusion?position=${astray('position')}`,
  ]) {
    await get(path)
  }
  await send(`/v1/audit?subject=${astray("an admin's filter")}&limit=${astray('its limit')}`, {
    headers: { Authorization: `Bearer ${sam.session}` },
  })
  const password = (where: string) => planted.add(`password in ${where}`, random())
  for (const body of [
    `{"role": "reader", "password": ${password('broken JSON')}`,
    password('a body that is no JSON'),
    { role: 'reader', password: password('an unknown field') },
    { role: { secret: password('a field of the wrong type') }, duration_seconds: 60 },
    { role: password('a role'), duration_seconds: 60, justification: 'wrong field' },
    { role: 'reader', scopes: [password('a scope')], duration_seconds: 60, justification: 'oops' },
    { role: 'reader', duration_seconds: password('a duration'), justification: 'oops' },
    { role: 'reader', starts_at: password('a time'), duration_seconds: 60, justification: 'oops' },
    { role: 'reader', is_break_glass: password('a boolean'), duration_seconds: 1 },
    `{"padding": "${password('an oversize body').repeat(3_000)}"}`,
  ]) {
    expect((await post('/v1/requests', session, body)).status).toBeGreaterThanOrEqual(400)
  }
  await post('/v1/requests', session, password('a body of another type'), {
    'Content-Type': 'text/plain',
  })
  await post('/v1/requests', session, {}, { 'Idempotency-Key': `ключ ${random()}` }).catch(() => {})
  await post(`/v1/grants/${astray('the grant of a mint')}/tokens`, session)
  await post(`/v1/resources/${astray("a resource's name")}/credentials`, bob.session)
  await post(`/v1/workloads/${astray("a workload's name")}/credentials`, alice.session)
  await post(`/v1/subjects/${astray("a subject's name")}/revoke`, sam.session, { reason: 'oops' })
  await post(`/v1/subjects/${astray('the name of one to disable')}/disable`, alice.session, {
    reason: 'oops',
  })
  await post(`/v1/resources/${astray('the name of one to revoke')}/revoke`, sam.session, {
    reason: 'oops',
  })
  await send(`/v1/resources/api/credentials/${astray('the id of a credential')}`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${bob.session}` },
  })
  await post('/v1/catalog/explain', session, {
    role: astray('the role to explain'),
    subject: astray('the subject to explain'),
    duration_seconds: 60,
  })
}

async function failAtOAuth(alice: Person): Promise<void> {
  const { code, verifier } = await codeFor('alice', alice.browser)
  const wrong = planted.add('wrong verifier', random(32))
  expect((await form('/oauth/token', redemption(code, wrong))).status).toBe(400)
  expect((await form('/oauth/token', redemption(code, verifier))).status).toBe(400)
  const never = planted.add(
    'code that was never redeemed',
    (await codeFor('alice', alice.browser)).code,
  )
  expect(never).toMatch(/^hpc_/)
  const forged = planted.add('forged code', `hpc_${random(32)}`)
  await form('/oauth/token', redemption(forged, wrong))
  const used = await assertion('assertion used twice')
  await form('/oauth/token', asserted(used))
  expect((await form('/oauth/token', asserted(used))).status).toBe(401)
  for (const token of [
    await assertion('assertion for elsewhere', { audience: 'https://elsewhere.example' }),
    await assertion('assertion too old', { expires: '-1m' }),
    planted.add('no assertion', `eyJhbGciOiJub25lIn0.${random()}.${random()}`),
  ]) {
    expect((await form('/oauth/token', asserted(token))).status).toBe(401)
  }
  const guessed = planted.add('guessed secret', random())
  await form(
    '/oauth/token',
    { grant_type: 'client_credentials' },
    basic('guess', 'secret-bot', guessed),
  )
  await form('/oauth/token', {
    grant_type: planted.add('secret as grant_type', random()),
    client_id: 'x',
    client_secret: planted.add('secret of nobody', random()),
  })
  await form('/oauth/token', {
    ...asserted(await assertion('assertion with a strange scope')),
    scope: planted.add('secret as scope', random()),
    resource: 'https://api.example.com',
  })
  await form('/oauth/token', {
    ...asserted(await assertion('assertion with a strange resource')),
    resource: `https://${planted.add('secret as resource', random().toLowerCase())}.example`,
  })
  await form('/oauth/introspect', { token: alice.session }, basic('no resource', 'api', guessed))
  await form('/oauth/revoke', { token: planted.add('foreign token', `hps_${random(32)}`) })
}

/** Starts that fail, and commands, with secrets in their environment. */
async function runCommands(): Promise<void> {
  const run = (command: readonly string[], changes: Record<string, string>) =>
    new Promise<string>((resolve) => {
      execFile(
        process.execPath,
        [join(installationRoot, 'dist/src', command[0] ?? ''), ...command.slice(1)],
        {
          cwd: installation.dataDirectory,
          env: { ...installation.environment, ...environment, PORT: '0', ...changes },
          timeout: 20_000,
        },
        (_error, stdout, stderr) => resolve(stdout + stderr),
      )
    })
  const hidden = (name: string) => planted.add(`${name} of a bad start`, random())
  const outputs = await Promise.all([
    run(['main.js'], {
      DATABASE_URL: `postgres://hallpass:${hidden('password')}@127.0.0.1:1/hallpass`,
    }),
    run(['main.js'], {
      DATABASE_URL: `mysql://hallpass:${hidden('password of another scheme')}@localhost/x`,
      HALLPASS_OWNER_DATABASE_URL: `postgres://hallpass:${hidden('broken URL')}@:port/x y`,
      HALLPASS_MASTER_KEY: hidden('short key'),
      HALLPASS_MASTER_KEY_PREVIOUS: hidden('previous key'),
      HALLPASS_WEBHOOK_SECRET: `whsec_${hidden('webhook secret')}`,
      HALLPASS_ISSUER: `https://alice:${hidden('issuer')}@example.com/`,
      HALLPASS_OIDC_CLIENT_SECRET: hidden('client secret'),
    }),
    run(['cli/main.js', 'doctor'], {
      HALLPASS_MASTER_KEY: planted.addBase64(
        'wrong master key',
        randomBytes(32).toString('base64'),
      ),
    }),
    run(['cli/main.js', '--json', 'keys', 'list'], {}),
  ])
  for (const output of outputs) expect(output).not.toBe('')
  commandOutput = outputs.join('\n')
}

/** The private parts of the keys, as whoever has the master key sees them. */
async function plantPrivateKeys(): Promise<void> {
  const box = createSecretBox({ masterKey })
  const keys = await installation.query<{ kid: string; private_sealed: Buffer }>(
    'select kid, private_sealed from signing_key where private_sealed is not null',
  )
  for (const { kid, private_sealed } of keys) {
    const jwk = JSON.parse(box.open(private_sealed, `signing_key ${kid}`).toString())
    planted.addBase64(`private key ${kid}`, jwk.d)
  }
  expect(keys.length).toBeGreaterThan(0)
}

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(receiverPort, '127.0.0.1', resolve))
  provider = await startIdentityProvider(`${issuer}/auth/callback`)
  tap = tapServer(Number(new URL(provider.issuer).port))
  planted.add("the provider's client secret", provider.clientSecret)
  Object.assign(environment, {
    HALLPASS_OIDC_ISSUER: provider.issuer,
    HALLPASS_OIDC_CLIENT_ID: provider.clientId,
    HALLPASS_OIDC_CLIENT_SECRET: provider.clientSecret,
  })
  broker = await installation.start({ isAtIssuer: true, environment })
  const alice = await signIn('alice')
  const bob = await signIn('bob')
  const sam = await signIn('sam')
  await succeed(alice, bob, sam)
  await misplace(alice, bob, sam)
  await failAtOAuth(alice)
  for (const { url, headers, request, response } of tap.exchanges()) {
    if (!url.startsWith('/token')) continue
    const sent = new URLSearchParams(request)
    planted.add(
      `verifier that only the provider may see ${random(4)}`,
      sent.get('code_verifier') ?? undefined,
    )
    planted.add(`header for the provider`, headers.authorization?.slice('Basic '.length))
    const answer = JSON.parse(response)
    planted.add(`the provider's access token ${random(4)}`, answer.access_token)
    planted.addToken(`id token ${random(4)}`, answer.id_token)
  }
  await plantPrivateKeys()
  await runCommands()
  await until(
    'every event is told',
    async () => {
      const left = await installation.query(`select 1 from outbox_delivery where state = 'waiting'`)
      return left.length === 0
    },
    20,
  )
  metrics = (await send('/metrics')).body
  await broker.stop()
}, 180_000)

afterAll(async () => {
  tap?.end()
  await provider?.stop()
  receiver.close()
})

describe('of all the secrets of a whole run', () => {
  it('there are enough, of every kind', () => {
    expect(planted.count).toBeGreaterThanOrEqual(100)
    expect(refusals.length).toBeGreaterThanOrEqual(40)
    expect(events.length).toBeGreaterThanOrEqual(5)
    // the search finds what is there
    expect(planted.findIn(`x ${environment.HALLPASS_WEBHOOK_URL} y`)).toContain('webhook URL key')
    expect(planted.findIn(masterKey.toString('hex'))).toEqual(['master key, its bytes, hex'])
  })

  it('none is in the log, at its most talkative', () => {
    expect(broker.output().length).toBeGreaterThan(500)
    expect(planted.findIn(broker.output())).toEqual([])
  })

  it('none is in what failed starts and commands say', () => {
    expect(planted.findIn(commandOutput)).toEqual([])
  })

  it('none is in the body of a refusal', () => {
    expect(refusals.flatMap((body) => planted.findIn(body).map((name) => [name, body]))).toEqual([])
  })

  it('none is in a metric', () => {
    expect(metrics).toContain('hallpass_http_answers_total')
    expect(planted.findIn(metrics)).toEqual([])
  })

  it('none is in an event', () => {
    expect(events.flatMap((body) => planted.findIn(body))).toEqual([])
  })

  it('none is in any column of any table', async () => {
    const tables = await installation.query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
       where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`,
    )
    expect(tables.length).toBeGreaterThan(20)
    const found: string[] = []
    for (const { name } of tables) {
      // bytea comes as hex
      const rows = await installation.query<{ row: string }>(
        `select to_jsonb(t)::text as row from ${name} t`,
      )
      for (const { row } of rows) {
        found.push(
          ...planted.findIn(row).map((secret) => `${name}: ${secret} in ${row.slice(0, 300)}`),
        )
      }
    }
    expect(found).toEqual([])
  })

  it('none is in the file of checkpoints', () => {
    const path = join(installation.dataDirectory, 'audit-checkpoints')
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    expect(text).not.toBe('')
    expect(planted.findIn(text)).toEqual([])
  })
})
