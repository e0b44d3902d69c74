import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type Client, call, signIn } from '../support/client.ts'
import { type BrokerProcess, useInstallation } from './broker-process.ts'

const ask = { role: 'billing-reader', duration_seconds: 3600, justification: 'look at an invoice' }

const installation = await useInstallation()
let broker: BrokerProcess
let alice: Client
let bob: Client
let sam: Client
let grantId: string
let pendingId: string

/** Everything that leaves a trace, by name. */
const acts: Record<string, () => Promise<Answer>> = {
  mint: () => alice.post(`/v1/grants/${grantId}/tokens`),
  ask: () => alice.post('/v1/requests', ask),
  'ask with a key': () => alice.post('/v1/requests', ask, { 'Idempotency-Key': 'once' }),
  review: () => bob.post(`/v1/requests/${pendingId}/reviews`, { verdict: 'approve' }),
  extend: () =>
    alice.post(`/v1/grants/${grantId}/extend`, { duration_seconds: 60, justification: 'more' }),
  suspend: () => sam.post(`/v1/grants/${grantId}/suspend`, { reason: 'looking into it' }),
  revoke: () => sam.post(`/v1/grants/${grantId}/revoke`, { reason: 'leaked' }),
  release: () => alice.post(`/v1/grants/${grantId}/release`),
  disable: () => sam.post('/v1/subjects/alice@example.com/disable', { reason: 'left' }),
  'create a credential': () => bob.post('/v1/resources/billing-api/credentials'),
  'sign in': () =>
    call(`${broker.url}/dev/sign-in`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: 'dana@example.com' }),
    }),
}

/** All that the acts could have changed; the jobs, the seal and the last time of a session aside. */
const everything = () =>
  installation.query(
    `select
       (select jsonb_agg(r order by r.id) from access_request r) as requests,
       (select jsonb_agg(r order by r.id) from review r) as reviews,
       (select jsonb_agg(g order by g.id) from access_grant g) as grants,
       (select jsonb_agg(t order by t.jti) from issued_token t) as tokens,
       (select jsonb_agg(v order by v.id) from revocation v) as revocations,
       (select jsonb_agg(c.client_id) from client_credential c) as credentials,
       (select count(*)::int from session) as sessions,
       (select count(*)::int from subject where is_disabled) as disabled,
       (select count(*)::int from idempotency_key) as keys,
       (select count(*)::int from outbox_event) as events,
       (select count(*)::int from audit_entry) as entries`,
  )

beforeAll(async () => {
  broker = await installation.start()
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
  sam = await signIn(broker.url, 'sam@example.com')
  grantId = (await alice.post('/v1/requests', ask)).body.grant_id
  pendingId = (await alice.post('/v1/requests', { ...ask, role: 'billing-operator' })).body.id
}, 30_000)

describe('while the audit log takes no entry', () => {
  const role = new URL(installation.database.applicationUrl).username
  const mayAppend = (isAllowed: boolean) =>
    installation.query(
      isAllowed
        ? `grant execute on function append_audit_entry to "${role}"`
        : `revoke execute on function append_audit_entry from "${role}"`,
    )

  it.each(Object.entries(acts))('nothing comes of: %s', async (_, act) => {
    await mayAppend(false)
    const before = await everything()
    const { status, body } = await act()
    expect(status).toBeGreaterThanOrEqual(500)
    expect(Object.keys(body).sort()).toEqual(['code', 'detail', 'status', 'title', 'type'])
    expect(await everything()).toEqual(before)
  })

  it('and all of it works again when the log does', async () => {
    await mayAppend(true)
    const order = ['sign in', 'ask with a key', 'review', 'extend', 'mint', 'create a credential']
    for (const name of [...order, 'suspend', 'revoke', 'disable']) {
      const answer = await acts[name]?.()
      expect([name, answer?.status]).toEqual([name, expect.toSatisfy((status) => status < 300)])
    }
  })
})
