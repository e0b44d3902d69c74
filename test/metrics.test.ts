import { expect, it } from 'vitest'
import { useTestBroker } from './support/broker.ts'
import { call, signIn } from './support/client.ts'

const broker = useTestBroker()

async function scrape(): Promise<ReadonlyMap<string, number>> {
  const { body } = await call(`${broker.url}/metrics`)
  return new Map(
    String(body)
      .split('\n')
      .filter((line) => line.startsWith('hallpass_'))
      .map((line): [string, number] => {
        const end = line.lastIndexOf(' ')
        return [line.slice(0, end), Number(line.slice(end + 1))]
      }),
  )
}

it('the first scrape already shows every state, and each scrape what is so at that moment', async () => {
  const before = await scrape()
  for (const state of ['pending', 'approved', 'denied', 'cancelled', 'expired']) {
    expect(before.get(`hallpass_requests{state="${state}"}`)).toBe(0)
  }
  for (const state of ['scheduled', 'active', 'suspended']) {
    expect(before.get(`hallpass_grants{state="${state}"}`)).toBe(0)
  }
  expect(before.get('hallpass_database_up')).toBe(1)

  const alice = await signIn(broker.url, 'alice@example.com')
  const bob = await signIn(broker.url, 'bob@example.com')
  const ask = { duration_seconds: 600, justification: 'to void a duplicate invoice' }
  await alice.post('/v1/requests', { role: 'billing-reader', ...ask })
  const { body } = await alice.post('/v1/requests', { role: 'billing-operator', ...ask })
  const waiting = await scrape()
  expect(waiting.get('hallpass_requests{state="pending"}')).toBe(1)
  expect(waiting.get('hallpass_grants{state="active"}')).toBe(1)

  await bob.post(`/v1/requests/${body.id}/reviews`, { verdict: 'approve' })
  const decided = await scrape()
  expect(decided.get('hallpass_requests{state="pending"}')).toBe(0)
  expect(decided.get('hallpass_requests{state="approved"}')).toBe(2)
  expect(decided.get('hallpass_grants{state="active"}')).toBe(2)
  expect(decided.get('hallpass_request_decision_seconds{quantile="0.5"}')).toBeGreaterThan(0)
})
