import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { type Client, call, signIn } from '../support/client.ts'

const broker = useTestBroker()
let bob: Client

beforeAll(async () => {
  bob = await signIn(broker.url, 'bob@example.com')
})

/** What depends on the answer, not on the broker's care. */
const ownHeaders = /^(content-|cache-control|date|connection|keep-alive|pragma|vary|www-|retry-)/

async function careOf(path: string, init?: Parameters<typeof call>[1]) {
  const { status, headers } = await call(broker.url + path, init)
  const care = [...headers].filter(([name]) => !ownHeaders.test(name))
  return { status, care: Object.fromEntries(care) }
}

describe('an answer of the API', () => {
  it('brings the same security headers as every other', async () => {
    const { body } = await bob.post('/v1/resources/billing-api/credentials')
    const basic = Buffer.from(`${body.client_id}:${body.client_secret}`).toString('base64')
    const bearer = { Authorization: `Bearer ${bob.token}` }
    const { care } = await careOf('/healthz')
    expect(care).toMatchObject({
      'strict-transport-security': expect.stringContaining('max-age='),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    })
    expect(await careOf('/v1/me', { headers: bearer })).toEqual({ status: 200, care })
    expect(await careOf('/v1/me')).toEqual({ status: 401, care })
    expect(await careOf('/nowhere')).toEqual({ status: 404, care })
    const introspection = {
      method: 'POST',
      headers: {
        Authorization: `Basic ${basic}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: 'token=unknown',
    }
    expect(await careOf('/oauth/introspect', introspection)).toEqual({ status: 200, care })
  })
})
