import { describe, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/index.ts'
import { parseCatalog } from '../../src/catalog/parse-catalog.ts'
import { chosenScopes, mintableScopes } from '../../src/tokens/mintable-scopes.ts'
import { catalogText } from './grants.ts'

function catalogOf(text = catalogText): Catalog {
  const { catalog, faults } = parseCatalog(text, { readFile: () => undefined })
  if (catalog === undefined) throw new Error(JSON.stringify(faults))
  return catalog
}

const alice = {
  id: 'alice@example.com',
  kind: 'person',
  claimGroups: [],
  isDisabled: false,
} as const

const grant = {
  id: 'grt_1',
  requestId: 'req_1',
  subject: 'alice@example.com',
  resource: 'billing-api',
  audience: 'https://billing.example.com',
  role: 'billing-operator',
  policy: 'operate',
  scopes: ['invoices:read', 'invoices:write'],
  isBreakGlass: false,
}

describe('what a grant may mint under the catalog in force', () => {
  it('is all of its scopes while nothing changed', () => {
    expect(mintableScopes(catalogOf(), alice, grant)).toEqual(grant.scopes)
  })

  it('is never more than the grant, though the role has grown', () => {
    const grown = catalogText.replace(
      "scopes: ['invoices:read', 'invoices:write'] }",
      "scopes: ['invoices:read', 'invoices:write', 'payouts:write'] }",
    )
    expect(mintableScopes(catalogOf(grown), alice, grant)).toEqual(grant.scopes)
  })

  it('is less when the role has lost a scope', () => {
    const shrunk = catalogText.replace(
      "billing-operator: { resource: billing-api, scopes: ['invoices:read', 'invoices:write'] }",
      "billing-operator: { resource: billing-api, scopes: ['invoices:read'] }",
    )
    expect(mintableScopes(catalogOf(shrunk), alice, grant)).toEqual(['invoices:read'])
  })

  it('is nothing when the role has none of its scopes any more', () => {
    const writer = { ...grant, scopes: ['invoices:write'], role: 'billing-reader', policy: 'read' }
    expect(() => mintableScopes(catalogOf(), alice, writer)).toThrowError(
      expect.objectContaining({ code: 'not_eligible' }),
    )
  })

  it('is nothing when the role moved to another resource', () => {
    const moved = { ...grant, role: 'stock-reader', policy: 'read', scopes: ['stock:read'] }
    expect(() => mintableScopes(catalogOf(), alice, moved)).toThrowError(
      expect.objectContaining({ code: 'not_eligible' }),
    )
  })

  it('is nothing when its audience is no more that of its resource, as another may have it now', () => {
    const swapped = catalogText
      .replace('https://billing.example.com', 'https://new-billing.example.com')
      .replace('https://stock.example.com', 'https://billing.example.com')
    expect(catalogOf(swapped).resources.get('stock-api')?.audience).toBe(grant.audience)
    expect(() => mintableScopes(catalogOf(swapped), alice, grant)).toThrowError(
      expect.objectContaining({ code: 'not_eligible', message: expect.stringMatching(/audience/) }),
    )
  })

  it('is nothing for a disabled subject', () => {
    expect(() => mintableScopes(catalogOf(), { ...alice, isDisabled: true }, grant)).toThrowError(
      expect.objectContaining({ code: 'not_eligible', message: expect.stringMatching(/disabled/) }),
    )
  })

  it('is nothing when no policy names the requester any more', () => {
    const left = catalogText.replace('[alice@example.com, dana@example.com]', '[dana@example.com]')
    expect(() => mintableScopes(catalogOf(left), alice, grant)).toThrowError(
      expect.objectContaining({ code: 'not_eligible' }),
    )
  })

  it('is not kept alive by an emergency policy, which is for break-glass alone', () => {
    const bob = { ...alice, id: 'bob@example.com' }
    const ordinary = { ...grant, subject: bob.id }
    expect(() => mintableScopes(catalogOf(), bob, ordinary)).toThrowError(
      expect.objectContaining({ code: 'not_eligible' }),
    )
    const emergency = { ...ordinary, isBreakGlass: true, policy: 'emergency' }
    expect(mintableScopes(catalogOf(), bob, emergency)).toEqual(grant.scopes)
  })

  it('is nothing, rather than a bearer token, when the policy wants bound tokens', () => {
    const bound = catalogText.replace('token_lifetime: 5m', 'proof: dpop')
    expect(() => mintableScopes(catalogOf(bound), alice, grant)).toThrowError(
      expect.objectContaining({ code: 'not_permitted', message: expect.stringMatching(/DPoP/) }),
    )
  })
})

describe('the scopes of one token', () => {
  const mintable = ['invoices:read', 'invoices:write']

  it('are all that may be minted when none are named', () => {
    expect(chosenScopes(grant, mintable, undefined)).toEqual(mintable)
  })

  it('are the named ones, once each, in the order of the grant', () => {
    const asked = ['invoices:write', 'invoices:read', 'invoices:write']
    expect(chosenScopes(grant, mintable, asked)).toEqual(mintable)
    expect(chosenScopes(grant, mintable, ['invoices:write'])).toEqual(['invoices:write'])
  })

  it.each([
    ['none at all', [], 'invalid_input'],
    ['one that the grant lacks', ['invoices:read', 'payouts:write'], 'wider_than_asked'],
    ['one that nobody knows', ['admin'], 'wider_than_asked'],
  ] as const)('are refused when they name %s', (_, asked, code) => {
    expect(() => chosenScopes(grant, mintable, asked)).toThrowError(
      expect.objectContaining({ code }),
    )
  })

  it('are refused when they name one that the role has lost', () => {
    expect(() => chosenScopes(grant, ['invoices:read'], ['invoices:write'])).toThrowError(
      expect.objectContaining({ code: 'not_eligible' }),
    )
  })
})
