import { describe, expect, it } from 'vitest'
import { explain, type OpenAsk } from '../../src/catalog/explain.ts'
import { visibleCatalog } from '../../src/catalog/visible-catalog.ts'
import { mustParse, person, textOf, wholeCatalogPath, workload } from './support.ts'

const catalog = mustParse(textOf(wholeCatalogPath), {
  'keys/invoice-bot.json': '{"keys":[{"kty":"OKP"}]}',
})
const now = new Date('2026-03-02T09:30:00Z')

function ask(changes: Partial<OpenAsk> = {}): OpenAsk {
  return {
    role: 'billing-operator',
    scopes: undefined,
    durationSeconds: 3_600,
    justification: undefined,
    ticket: undefined,
    startsAt: undefined,
    isBreakGlass: false,
    isExtension: false,
    ...changes,
  }
}

describe('an explanation', () => {
  it('names the policy that decided, why not the ones before it, and that the rest were not reached', () => {
    const explanation = explain(catalog, person('alice@example.com'), ask(), now)
    expect(explanation).toMatchObject({ decision: 'review', policy: 'billing-operate' })
    expect(explanation.policies).toEqual([
      {
        policy: 'billing-read',
        outcome: 'skipped',
        message: 'does not cover the role billing-operator',
      },
      {
        policy: 'billing-operate',
        outcome: 'matched',
        message: 'role, requester and `when` match',
      },
      {
        policy: 'billing-emergency',
        outcome: 'not_reached',
        message: 'a policy before it decided',
      },
      { policy: 'wiki', outcome: 'not_reached', message: 'a policy before it decided' },
    ])
  })

  it('lists the seats and the people who could fill them', () => {
    const { seats } = explain(catalog, person('alice@example.com'), ask(), now)
    expect(seats).toEqual([
      {
        from: ['payments-leads'],
        count: 1,
        couldFill: ['bob@example.com', 'carol@example.com'],
        orHoldersOf: [],
      },
      { from: ['security'], count: 1, couldFill: ['sam@example.com'], orHoldersOf: [] },
    ])
  })

  it('leaves out of a seat those who are on the requester’s side', () => {
    const text = textOf(wholeCatalogPath).replace(
      '- { from: [payments-leads], count: 1 }',
      "- { from: [everyone, 'claim:okta-leads'], count: 1 }",
    )
    const wide = mustParse(text, { 'keys/invoice-bot.json': '{"keys":[{"kty":"OKP"}]}' })
    const forBot = explain(wide, workload('invoice-bot'), ask(), now).seats[0]
    expect(forBot).toMatchObject({
      from: ['everyone', 'claim:okta-leads'],
      couldFill: ['bob@example.com', 'carol@example.com', 'sam@example.com'],
      orHoldersOf: ['okta-leads'],
    })
    const forAlice = explain(wide, person('alice@example.com'), ask(), now).seats[0]
    expect(forAlice?.couldFill).not.toContain('alice@example.com')
    expect(forAlice?.couldFill).toContain('dana@example.com')
  })

  it('takes words that are left out to be good, and says what they must be', () => {
    const explanation = explain(catalog, person('alice@example.com'), ask(), now)
    expect(explanation.limits).toEqual({
      maxDurationSeconds: 14_400,
      justificationMinLength: 10,
      ticketPattern: '^INC-[0-9]+$',
    })
  })

  it('judges the words that are given', () => {
    const given = ask({ justification: 'short', ticket: 'CHG-1' })
    const explanation = explain(catalog, person('alice@example.com'), given, now)
    expect(explanation).toMatchObject({ decision: 'deny', policy: 'billing-operate' })
    expect(explanation.reasons.map(({ code }) => code)).toEqual([
      'justification_too_short',
      'ticket_mismatch',
    ])
  })

  it('still shows the policy and its seats when its limits refuse', () => {
    const explanation = explain(
      catalog,
      person('alice@example.com'),
      ask({ durationSeconds: 90_000 }),
      now,
    )
    expect(explanation).toMatchObject({ decision: 'deny', policy: 'billing-operate' })
    expect(explanation.seats).toHaveLength(2)
  })

  it('shows no policy and no seat to one whom none lets ask', () => {
    const explanation = explain(catalog, person('eve@example.com'), ask(), now)
    expect(explanation).toMatchObject({ decision: 'deny', policy: null, seats: [], limits: null })
    expect(explanation.policies.map(({ outcome }) => outcome)).toEqual(Array(4).fill('skipped'))
  })

  it('shows no policies for a role that does not exist', () => {
    const explanation = explain(catalog, person('alice@example.com'), ask({ role: 'root' }), now)
    expect(explanation).toMatchObject({ reasons: [{ code: 'unknown_role' }], policies: [] })
  })
})

describe('the catalog that a subject sees', () => {
  it('has the roles that some policy lets it ask for, and their resources', () => {
    expect(visibleCatalog(catalog, person('alice@example.com'))).toEqual({
      version: 0,
      resources: [
        {
          name: 'billing-api',
          title: 'Billing API',
          audience: 'https://billing.example.com',
          owner: 'payments-leads',
          sensitivity: 'high',
          scopes: {
            'invoices:read': 'Read invoices',
            'invoices:write': 'Create and void invoices',
          },
        },
        {
          name: 'wiki',
          title: 'wiki',
          audience: 'urn:example:wiki',
          owner: 'everyone',
          sensitivity: 'low',
          scopes: { 'pages:read': 'Read pages' },
        },
      ],
      roles: [
        {
          name: 'billing-reader',
          resource: 'billing-api',
          scopes: ['invoices:read'],
          isSelfService: true,
          seatCount: 0,
          maxDurationSeconds: 28_800,
          defaultDurationSeconds: 3_600,
        },
        {
          name: 'billing-operator',
          resource: 'billing-api',
          scopes: ['invoices:read', 'invoices:write'],
          isSelfService: false,
          seatCount: 2,
          maxDurationSeconds: 14_400,
          defaultDurationSeconds: 3_600,
        },
        {
          name: 'wiki-reader',
          resource: 'wiki',
          scopes: ['pages:read'],
          isSelfService: true,
          seatCount: 0,
          maxDurationSeconds: 2_592_000,
          defaultDurationSeconds: 3_600,
        },
      ],
    })
  })

  it('has nothing of resources on which it may ask for nothing', () => {
    const seen = visibleCatalog(catalog, person('bob@example.com'))
    expect(seen.resources.map(({ name }) => name)).toEqual(['wiki'])
    expect(visibleCatalog(catalog, person('eve@example.com'))).toMatchObject({
      resources: [],
      roles: [],
    })
  })

  it('shows a role that is open by break-glass alone as no self-service', () => {
    const seen = visibleCatalog(catalog, person('eve@example.com', ['okta-oncall']))
    expect(seen.roles).toMatchObject([
      { name: 'billing-operator', isSelfService: false, seatCount: 1, maxDurationSeconds: 1_800 },
    ])
  })
})
