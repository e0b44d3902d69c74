// The whole story in a minute: a broker of its own, a protected service, three people. Nothing is left behind.
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBroker } from '../src/broker.ts'
import { readConfig } from '../src/config.ts'
import { systemClock } from '../src/context.ts'
import { createLog } from '../src/log.ts'
import { startBillingService } from './billing-service.ts'

type Json = { readonly [key: string]: unknown }

interface Person {
  readonly name: string
  post(path: string, body?: Json): Promise<{ status: number; body: Json }>
  get(path: string): Promise<{ status: number; body: Json }>
}

let stepNumber = 0

function step(text: string): void {
  stepNumber += 1
  console.log(`\n${stepNumber}. ${text}`)
}

function tell(text: string): void {
  console.log(`   ${text}`)
}

function expectStatus(answer: { status: number; body: Json }, status: number): Json {
  if (answer.status === status) return answer.body
  throw new Error(`expected ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`)
}

async function send(url: string, init: RequestInit): Promise<{ status: number; body: Json }> {
  const response = await fetch(url, init)
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Json) }
}

async function signIn(url: string, name: string): Promise<Person> {
  const json = { 'Content-Type': 'application/json' }
  const signedIn = await send(`${url}/dev/sign-in`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ subject: `${name.toLowerCase()}@example.com` }),
  })
  const { access_token: token } = expectStatus(signedIn, 200)
  const headers = { ...json, Authorization: `Bearer ${String(token)}` }
  return {
    name,
    post: (path, body = {}) =>
      send(url + path, { method: 'POST', headers, body: JSON.stringify(body) }),
    get: (path) => send(url + path, { headers }),
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function play(url: string, serviceUrl: string): Promise<void> {
  const invoice = (token: unknown) =>
    send(`${serviceUrl}/invoices/1042`, { headers: { Authorization: `Bearer ${String(token)}` } })
  const mint = async (person: Person, grant: unknown) =>
    expectStatus(await person.post(`/v1/grants/${String(grant)}/tokens`), 201).access_token

  step('Alice, an engineer, and Bob, who leads payments, sign in.')
  const alice = await signIn(url, 'Alice')
  const bob = await signIn(url, 'Bob')
  const me = expectStatus(await alice.get('/v1/me'), 200)
  tell(
    `Alice is in ${(me.groups as string[]).join(', ')}. She holds nothing: there are no standing privileges.`,
  )

  step('Alice looks at what she may ask for.')
  const catalog = expectStatus(await alice.get('/v1/catalog'), 200)
  for (const role of catalog.roles as Json[]) {
    const approvals =
      role.is_self_service === true ? 'no approval' : `${String(role.seat_count)} approval(s)`
    tell(`${String(role.name)}: ${(role.scopes as string[]).join(', ')}; ${approvals}`)
  }

  const ask = {
    role: 'billing-operator',
    duration_seconds: 3600,
    justification: 'void a duplicate invoice',
    ticket: 'INC-42',
  }
  step('She previews: what would happen if she asked for billing-operator for an hour?')
  const preview = expectStatus(await alice.post('/v1/requests/preview', ask), 200)
  tell(
    `"${String(preview.decision)}" by policy ${String(preview.policy)}; who could approve: ${(preview.eligible_reviewers as string[]).join(', ')}`,
  )

  step('She asks, and tries to approve it herself.')
  const asked = expectStatus(await alice.post('/v1/requests', ask), 201)
  tell(`${String(asked.id)} is ${String(asked.state)}`)
  const self = await alice.post(`/v1/requests/${String(asked.id)}/reviews`, { verdict: 'approve' })
  tell(`herself: ${self.status} ${String(self.body.code)} — and the attempt is in the audit log`)

  step('Bob approves, but for half the time. The clock starts now, not when Alice asked.')
  const approved = expectStatus(
    await bob.post(`/v1/requests/${String(asked.id)}/reviews`, {
      verdict: 'approve',
      duration_seconds: 1800,
      comment: 'half an hour is plenty',
    }),
    200,
  )
  const grant = expectStatus(await alice.get(`/v1/grants/${String(approved.grant_id)}`), 200)
  tell(`grant ${String(grant.id)} is ${String(grant.state)} until ${String(grant.ends_at)}`)

  step('Alice mints a token and calls the billing service, which knows nothing but a JWKS address.')
  const token = await mint(alice, grant.id)
  const read = await invoice(token)
  tell(`GET /invoices/1042 → ${read.status} ${JSON.stringify(read.body)}`)

  step('Done early: she gives it back.')
  expectStatus(await alice.post(`/v1/grants/${String(grant.id)}/release`), 200)
  const after = await alice.post(`/v1/grants/${String(grant.id)}/tokens`)
  tell(`another token? ${after.status} ${String(after.body.code)}`)

  step('A self-service role, for three seconds, to see it end by itself.')
  const short = expectStatus(
    await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 3,
      justification: 'look at one invoice',
    }),
    201,
  )
  tell(
    `${String(short.id)} is ${String(short.state)} at once: policy says, explicitly, that no approval is needed`,
  )
  const brief = await mint(alice, short.grant_id)
  tell(`GET /invoices/1042 → ${(await invoice(brief)).status}`)
  await sleep(3_300)
  tell(`three seconds later → ${(await invoice(brief)).status}`)

  step('Sam, from security, reads what happened. Reading is an entry too.')
  const sam = await signIn(url, 'Sam')
  await sleep(1_200)
  const audit = expectStatus(await sam.get('/v1/audit?limit=100'), 200)
  for (const entry of audit.items as Json[]) {
    const actor = entry.actor as Json
    if (actor.kind !== 'person') continue
    tell(
      `${String(entry.position).padStart(3)}  ${String(actor.id).padEnd(18)} ${String(entry.action).padEnd(18)} ${String(entry.outcome)} ${String(entry.code ?? '')}`,
    )
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-tour-'))
  const port = await freePort()
  const environment = { PORT: String(port), HALLPASS_DATA_DIR: folder }
  const lines: string[] = []
  console.log('Hallpass, the tour. Starting a broker with a Postgres of its own …')
  const broker = await startBroker(
    readConfig(
      environment,
      (path) => path !== join(process.cwd(), 'hallpass.yaml') && existsSync(path),
    ),
    {
      clock: systemClock,
      log: createLog((line) => lines.push(line), 'warn'),
    },
  )
  try {
    const service = await startBillingService({
      issuer: broker.services.issuer,
      jwksUrl: `${broker.url}/oauth/jwks`,
      audience: 'https://billing.example.com',
      port: 0,
    })
    try {
      await play(broker.url, service.url)
    } finally {
      await service.stop()
    }
    console.log('\nThat was it. Start your own with: npm start')
  } finally {
    // where nobody else may pass, the database lies elsewhere and a link leads there
    const database = realpathSync(join(folder, 'postgres'))
    await broker.stop()
    for (const place of [database, folder]) rmSync(place, { recursive: true, force: true })
  }
}

await main()
