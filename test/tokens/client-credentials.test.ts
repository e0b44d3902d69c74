import { decodeJwt } from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { suspendGrant } from '../../src/access/index.ts'
import { authenticateSession } from '../../src/identity/index.ts'
import {
  type ClientCredentialsInput,
  introspectToken,
  issueClientCredentials,
  type MintedToken,
} from '../../src/tokens/index.ts'
import { useTestServices } from '../support/context.ts'
import {
  apply,
  auditEntries,
  billing,
  billingAudience,
  catalogText,
  openGrant,
  prepare,
} from './grants.ts'

const test = await useTestServices()
const invoiceBot = test.asWorkload('invoice-bot')

beforeAll(() => prepare(test))
beforeEach(() => test.clock.advance(7200))

function issue(input: Partial<ClientCredentialsInput>, ctx = invoiceBot) {
  return issueClientCredentials(ctx, {
    resources: [],
    authenticatedBy: 'private_key_jwt',
    ...input,
  })
}

async function minted(scope: string | undefined): Promise<MintedToken> {
  const answer = await issue({ resources: [billingAudience], scope })
  if (!('grantId' in answer)) throw new Error('that is a session token')
  return answer
}

function grant(given: Parameters<typeof openGrant>[1] = {}) {
  return openGrant(test, { subject: 'workload:invoice-bot', ...given })
}
const reader = { role: 'billing-reader', policy: 'read', scopes: ['invoices:read'] }

describe('without a resource', () => {
  it('a workload gets a session token, good on the broker and inactive on every resource', async () => {
    const answer = await issue({})
    expect(answer).toEqual({
      accessToken: expect.stringMatching(/^hps_/),
      tokenType: 'Bearer',
      expiresIn: expect.any(Number),
    })
    expect(await authenticateSession(test.services, answer.accessToken)).toMatchObject({
      kind: 'workload',
      id: 'workload:invoice-bot',
      via: 'client_credentials',
    })
    const resource = test.as({ kind: 'resource', id: billing, via: 'resource_credential' })
    expect(await introspectToken(resource, { token: answer.accessToken })).toEqual({
      active: false,
    })
  })

  it('scopes are refused, for they belong to a resource', async () => {
    await expect(issue({ scope: 'invoices:read' })).rejects.toMatchObject({
      code: 'invalid_target',
    })
  })
})

describe('with a resource', () => {
  it('a workload gets a token of the narrowest grant that covers the scope', async () => {
    const wide = await grant()
    const narrow = await grant(reader)
    expect((await minted('invoices:read')).grantId).toBe(narrow)
    const both = await minted('invoices:read invoices:write')
    expect(both).toMatchObject({ grantId: wide, scope: 'invoices:read invoices:write' })
    const one = await minted('invoices:write')
    expect(one).toMatchObject({ grantId: wide, scope: 'invoices:write' })
    expect(decodeJwt(one.accessToken)).toMatchObject({
      sub: 'workload:invoice-bot',
      client_id: 'invoice-bot',
      aud: billingAudience,
      scope: 'invoices:write',
    })
  })

  it('and no scope, it gets all scopes of the narrowest grant', async () => {
    await grant()
    const narrow = await grant(reader)
    expect(await minted(undefined)).toMatchObject({ grantId: narrow, scope: 'invoices:read' })
    expect(await minted('')).toMatchObject({ grantId: narrow, scope: 'invoices:read' })
  })

  it('it is denied when no grant covers, and that is audited', async () => {
    await grant(reader)
    await expect(minted('invoices:write')).rejects.toMatchObject({ code: 'access_denied' })
    await expect(minted('invoices:read invoices:write')).rejects.toMatchObject({
      code: 'access_denied',
    })
    expect((await auditEntries(test, 'mint-token')).at(-1)).toMatchObject({
      outcome: 'refused',
      code: 'access_denied',
      subject: 'workload:invoice-bot',
    })
  })

  it('it is denied with grants of others, or that start later, ended, or are suspended', async () => {
    await grant({ subject: 'workload:other-bot' })
    await grant({ state: 'scheduled', startsInSeconds: 600 })
    await grant({ endsInSeconds: 1 })
    const suspended = await grant()
    await suspendGrant(test.asPerson('bob@example.com'), {
      grantId: suspended,
      reason: 'a second look',
    })
    test.clock.advance(1)
    await expect(minted('invoices:read')).rejects.toMatchObject({ code: 'access_denied' })
    test.clock.advance(600)
    expect(await minted('invoices:read')).toMatchObject({ scope: 'invoices:read' })
  })

  it('it gets the wider grant when the catalog lets the narrower one mint no more', async () => {
    const wide = await grant()
    await grant(reader)
    await apply(
      test,
      catalogText.replace(
        "requesters: [engineering, 'workload:invoice-bot', 'workload:other-bot']",
        'requesters: [engineering]',
      ),
    )
    expect((await minted('invoices:read')).grantId).toBe(wide)
    await apply(test)
  })

  it('that no API has, it is told so', async () => {
    for (const audience of ['https://nowhere.example.com', `${billingAudience}/`, billing, '']) {
      await expect(issue({ resources: [audience] })).rejects.toMatchObject({
        code: 'invalid_target',
      })
    }
  })

  it('that are several, it is refused', async () => {
    await grant()
    await expect(
      issue({ resources: [billingAudience, 'https://stock.example.com'] }),
    ).rejects.toMatchObject({ code: 'invalid_target' })
    expect(await issue({ resources: [billingAudience, billingAudience] })).toHaveProperty('grantId')
  })

  it.each([' invoices:read', 'invoices:read  x', 'a\tb', 'a"b', 'a\\b', 'ä', 'a\nb'])(
    'and a scope that is no scope (%j), it is told so',
    async (scope) => {
      await grant()
      await expect(minted(scope)).rejects.toMatchObject({ code: 'invalid_scope' })
    },
  )
})

it('is for workloads alone', async () => {
  for (const ctx of [test.asPerson('alice@example.com'), test.asOperator()]) {
    await expect(issue({}, ctx)).rejects.toMatchObject({ code: 'unauthorized_client' })
  }
})
