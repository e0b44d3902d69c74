import { beforeAll, describe, expect, it } from 'vitest'
import { createVerifier, type Verifier } from '../../src/verifier/index.ts'
import { useTestBroker } from '../support/broker.ts'
import { type Client, signIn } from '../support/client.ts'
import { until } from '../support/until.ts'
import { expectRefusal, stopAfterTest } from './support/verifiers.ts'

const broker = useTestBroker()
const scope = 'invoices:read'
const ask = { role: 'billing-reader', duration_seconds: 600, justification: 'look at one invoice' }
let alice: Client
let bob: Client
let sam: Client
let credential: { readonly clientId: string; readonly clientSecret: string }

beforeAll(async () => {
  alice = await signIn(broker.url, 'alice@example.com')
  bob = await signIn(broker.url, 'bob@example.com')
  sam = await signIn(broker.url, 'sam@example.com')
  credential = await newCredential()
})

async function newCredential() {
  const { body } = await bob.post('/v1/resources/billing-api/credentials')
  return { clientId: body.client_id, clientSecret: body.client_secret }
}

async function readyVerifier(own = credential): Promise<Verifier> {
  const verifier = createVerifier({
    issuer: broker.issuer,
    audience: 'https://billing.example.com',
    credential: own,
    broker: broker.url,
    activity: false,
  })
  stopAfterTest(verifier)
  await verifier.ready()
  return verifier
}

async function newToken(who = alice): Promise<{ readonly grant: string; readonly token: string }> {
  const asked = await who.post('/v1/requests', ask)
  const grant: string = asked.body.grant_id
  const minted = await who.post(`/v1/grants/${grant}/tokens`)
  return { grant, token: minted.body.access_token }
}

describe('against the broker itself', () => {
  it('a token is accepted offline', async () => {
    const verifier = await readyVerifier()
    const { grant, token } = await newToken()
    const access = await verifier.verify(token, { scope })
    expect(access).toMatchObject({ subject: 'alice@example.com', grantId: grant, scopes: [scope] })
    await expectRefusal(verifier, token, 'insufficient_scope', { scope: 'invoices:write' })
    await expectRefusal(verifier, alice.token, 'token_malformed')
    expect(verifier.status()).toMatchObject({ memory: 'fresh', whenCutOff: 'refuse' })
  })

  it.each([
    ['revoked', () => bob, 'revoke', { reason: 'no longer needed' }],
    ['suspended', () => bob, 'suspend', { reason: 'one moment' }],
    ['given back', () => alice, 'release', {}],
  ] as const)('a grant that is %s ends its tokens within moments', async (_, who, act, body) => {
    const verifier = await readyVerifier()
    const { grant, token } = await newToken()
    await verifier.verify(token, { scope })
    const answer = await who().post(`/v1/grants/${grant}/${act}`, body)
    expect(answer.status).toBe(200)
    await until(
      'it is refused',
      () =>
        verifier.verify(token).then(
          () => false,
          () => true,
        ),
      2,
    )
    await expectRefusal(verifier, token, 'token_revoked')
    expect(verifier.status().counters.introspectionCount).toBe(0)
    const { revocationLag } = verifier.status().counters
    expect(revocationLag.count).toBeGreaterThan(0)
    expect(revocationLag.maxMilliseconds).toBeLessThan(1_500)
  })

  it('a whole subject ends with one word, and nobody else', async () => {
    const verifier = await readyVerifier()
    const dana = await signIn(broker.url, 'dana@example.com')
    const [ended, spared] = [await newToken(dana), await newToken(alice)]
    await verifier.verify(ended.token)
    await sam.post('/v1/subjects/dana@example.com/revoke', { reason: 'has left' })
    await until(
      'it is refused',
      () =>
        verifier.verify(ended.token).then(
          () => false,
          () => true,
        ),
      2,
    )
    await expectRefusal(verifier, ended.token, 'token_revoked')
    await verifier.verify(spared.token)
  })

  it('a verifier that comes later knows what was revoked before', async () => {
    const { grant, token } = await newToken()
    await bob.post(`/v1/grants/${grant}/revoke`, { reason: 'no longer needed' })
    await expectRefusal(await readyVerifier(), token, 'token_revoked')
  })

  it('memory stays fresh on heartbeats alone', async () => {
    const verifier = await readyVerifier()
    const changes: unknown[] = []
    verifier.on('memory', (change) => changes.push(change))
    await new Promise((resolve) => setTimeout(resolve, 7_000))
    expect(changes).toEqual([])
    expect(verifier.status().counters).toMatchObject({ snapshotCount: 1, feedLossCount: 0 })
  })

  it('a restart goes unnoticed by valid calls', async () => {
    const verifier = await readyVerifier()
    const { token } = await newToken()
    await verifier.verify(token)
    let isOver = false
    const load = (async () => {
      while (!isOver) {
        await verifier.verify(token)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })()
    await broker.restart()
    await until('there is a new stream', () => verifier.status().counters.snapshotCount > 1)
    isOver = true
    await load
    expect(verifier.status().counters.refusedCounts).toEqual({})
  })

  it('a deleted credential ends the feed, and the verifier says why', async () => {
    const own = await newCredential()
    const verifier = await readyVerifier(own)
    const troubles: { readonly isCredentialRefused: boolean }[] = []
    verifier.on('trouble', (trouble) => troubles.push(trouble))
    await bob.delete(`/v1/resources/billing-api/credentials/${own.clientId}`)
    const isTold = () => troubles.some(({ isCredentialRefused }) => isCredentialRefused)
    await until('it is told', isTold, 10)
    await expect(createAndReady(own)).rejects.toThrow(/credential/)
  })
})

async function createAndReady(own: typeof credential): Promise<void> {
  await readyVerifier(own)
}
