import { expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { signIn } from '../support/client.ts'

const broker = useTestBroker()

const ask = { role: 'billing-reader', duration_seconds: 60, justification: 'to look at an invoice' }

// "on any /v1 POST", CONTRACTS §4: also where nothing is stored beside the answer
it.each([
  ['/v1/requests/preview', ask, { ...ask, duration_seconds: 61 }],
  [
    '/v1/catalog/explain',
    { role: 'billing-reader', duration_seconds: 60 },
    { role: 'billing-reader', duration_seconds: 61 },
  ],
])(
  'answers %s again for the same Idempotency-Key, and refuses another body',
  async (path, body, other) => {
    const alice = await signIn(broker.url, 'alice@example.com')
    const key = { 'Idempotency-Key': `look at ${path}` }
    const first = await alice.post(path, body, key)
    expect(first.status).toBe(200)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
    const again = await alice.post(path, body, key)
    expect(again).toMatchObject({ status: 200, body: first.body })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(await alice.post(path, other, key)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    })
  },
)

it('answers again word for word', async () => {
  const alice = await signIn(broker.url, 'alice@example.com')
  const send = async () => {
    const response = await fetch(`${broker.url}/v1/requests`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${alice.token}`,
        'Content-Type': 'application/json',
        'Idempotency-Key': 'word for word',
      },
      body: JSON.stringify(ask),
    })
    return { isReplay: response.headers.get('idempotent-replayed'), text: await response.text() }
  }
  const first = await send()
  expect(await send()).toEqual({ isReplay: 'true', text: first.text })
})
