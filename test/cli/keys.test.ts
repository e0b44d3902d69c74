import { beforeAll, describe, expect, it } from 'vitest'
import { useTestBroker } from '../support/broker.ts'
import { call, signIn } from '../support/client.ts'
import { openOperatorTerminal, openTerminal, type Terminal } from './terminal.ts'

// RSA keys take long to make
const broker = useTestBroker({ HALLPASS_TOKEN_ALG: 'ES256' })
let operator: Terminal

beforeAll(() => {
  operator = openOperatorTerminal(broker.database, { HALLPASS_TOKEN_ALG: 'ES256' })
})

interface Key {
  readonly kid: string
  readonly state: string
}

const keys = async (): Promise<Key[]> => (await operator.done('--json', 'keys', 'list')).json.items
const kidIn = async (state: string) => (await keys()).find((key) => key.state === state)?.kid ?? ''
const published = async (): Promise<string[]> => {
  const { body } = await call(`${broker.url}/oauth/jwks`)
  return body.keys.map(({ kid }: Key) => kid)
}

describe('keys', () => {
  it('are listed with their states', async () => {
    expect((await keys()).map(({ state }) => state).sort()).toEqual(['active', 'next'])
    const { out } = await operator.done('keys', 'list')
    expect(out).toMatch(/^KID +ALGORITHM +STATE +CREATED AT\n[\w-]{43} +ES256 +(active|next) +20/)
  })

  it('are rotated: the next one signs, the one before stays published', async () => {
    const [active, next] = [await kidIn('active'), await kidIn('next')]
    const { json } = await operator.done('--json', 'keys', 'rotate')
    expect(json).toMatchObject({ active_kid: next, retiring_kid: active })
    expect(await published()).toEqual(expect.arrayContaining([active, next, json.next_kid]))
    expect((await operator.done('keys', 'rotate')).out).toMatch(
      /^[\w-]{43} signs now\.\n[\w-]{43} stays published/,
    )
  })

  it('are revoked: gone from the JWKS at once, and their tokens refused', async () => {
    const alice = await signIn(broker.url, 'alice@example.com')
    const bob = await signIn(broker.url, 'bob@example.com')
    const asked = await alice.post('/v1/requests', {
      role: 'billing-reader',
      duration_seconds: 600,
      justification: 'look at an invoice',
    })
    const minted = await alice.post(`/v1/grants/${asked.body.grant_id}/tokens`)
    const credential = await bob.post('/v1/resources/billing-api/credentials')
    const basic = Buffer.from(
      `${credential.body.client_id}:${credential.body.client_secret}`,
    ).toString('base64')
    const introspect = () =>
      call(`${broker.url}/oauth/introspect`, {
        method: 'POST',
        headers: { Authorization: `Basic ${basic}` },
        body: new URLSearchParams({ token: minted.body.access_token }),
      })
    expect((await introspect()).body.active).toBe(true)

    const leaked = await kidIn('active')
    const ran = await operator.done('keys', 'revoke', leaked)
    expect(ran.out).toMatch(
      new RegExp(`^${leaked} is revoked, and with it 1 live token\\. [\\w-]{43} signs now\\.$`),
    )
    expect(await published()).not.toContain(leaked)
    expect((await introspect()).body).toEqual({ active: false })

    const again = await operator.run('keys', 'revoke', leaked)
    expect([again.status, again.err.split(':')[0]]).toEqual([1, 'not_permitted'])
  })

  it('tell the result of a revocation as the contract names things', async () => {
    const { json } = await operator.done('--json', 'keys', 'revoke', await kidIn('next'))
    expect(json).toEqual({
      kid: expect.any(String),
      tokens_revoked: expect.any(Number),
      active_kid: await kidIn('active'),
    })
  })

  it.each(['-starts-with-a-hyphen', '--two', '-h', '--url-safe', '-', '-j'.repeat(21)])(
    'may be called %s',
    async (kid) => {
      const ran = await operator.run('keys', 'revoke', kid)
      if (kid === '-h') expect(ran.out).toMatch(/^Usage: hallpass keys revoke/)
      else expect([ran.status, ran.err.split(':')[0]]).toEqual([1, 'not_found'])
    },
  )

  it('need exactly one name', async () => {
    expect((await operator.run('keys', 'revoke')).status).toBe(2)
    expect((await operator.run('keys', 'revoke', 'one', 'two')).status).toBe(2)
  })

  it('cannot be moved with another master key, and say which variable', async () => {
    const wrong = openOperatorTerminal(broker.database, {
      HALLPASS_MASTER_KEY: Buffer.alloc(32, 9).toString('base64'),
    })
    const before = await keys()
    for (const argv of [['rotate'], ['revoke', await kidIn('active')]]) {
      const ran = await wrong.run('keys', ...argv)
      expect(ran.status).toBe(5)
      expect(ran.err).toMatch(/^cannot_decide: HALLPASS_MASTER_KEY is not the key/)
    }
    expect(await keys()).toEqual(before)
  })

  it('are not for those who have no access to the database', async () => {
    const ran = await openTerminal({
      DATABASE_URL: 'postgres://nobody:secret-word@127.0.0.1:9/none',
      HALLPASS_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      HALLPASS_DEVELOPMENT: 'true',
    }).run('keys', 'list')
    expect(ran.status).toBe(5)
    expect(ran.err).toMatch(/^database_unreachable: .*DATABASE_URL/)
    expect(ran.err).not.toContain('secret-word')
  })

  it('are audited', async () => {
    const sam = await signIn(broker.url, 'sam@example.com')
    for (const action of ['list-keys', 'rotate-keys', 'revoke-key']) {
      const { body } = await sam.get(`/v1/audit?action=${action}&unsealed=true`)
      expect(body.items[0].actor).toMatchObject({ kind: 'operator', id: 'olivia' })
    }
  })
})
