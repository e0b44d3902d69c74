import { describe, expect, it } from 'vitest'
import { decide, isStillEligible } from '../../src/catalog/decide.ts'
import type { Ask, SubjectFacts } from '../../src/catalog/decision.ts'
import { mustParse, person, textOf, wholeCatalogPath, withPart, workload } from './support.ts'

const catalog = mustParse(textOf(wholeCatalogPath), {
  'keys/invoice-bot.json': '{"keys":[{"kty":"OKP"}]}',
})
const now = new Date('2026-03-02T09:30:00Z')
const alice = person('alice@example.com')

function ask(changes: Partial<Ask> = {}): Ask {
  return {
    role: 'billing-operator',
    scopes: undefined,
    durationSeconds: 3_600,
    justification: 'the nightly run failed',
    ticket: 'INC-1',
    startsAt: undefined,
    isBreakGlass: false,
    isExtension: false,
    ...changes,
  }
}

function decided(changes: Partial<Ask> = {}, subject: SubjectFacts = alice) {
  return decide(catalog, subject, ask(changes), now)
}

function codes(changes: Partial<Ask>, subject?: SubjectFacts): string[] {
  return decided(changes, subject).reasons.map(({ code }) => code)
}

describe('a decision', () => {
  it('is review, with every scope of the role, when seats must be filled', () => {
    expect(decided()).toMatchObject({
      outcome: 'review',
      refusedAs: undefined,
      policy: { name: 'billing-operate' },
      scopes: ['invoices:read', 'invoices:write'],
      reasons: [{ code: 'review_needed', message: expect.stringContaining('2 approvals') }],
    })
  })

  it('is allow when the policy says that no approval is needed', () => {
    expect(decided({ role: 'billing-reader', ticket: undefined })).toMatchObject({
      outcome: 'allow',
      policy: { name: 'billing-read' },
      reasons: [{ code: 'no_approval_needed' }],
    })
  })

  it('is allow when auto_approve holds, and review when it does not', () => {
    const oncall = person('dana@example.com', ['okta-oncall'])
    expect(decided({ durationSeconds: 1_800 }, oncall)).toMatchObject({
      outcome: 'allow',
      reasons: [{ code: 'auto_approved' }],
    })
    expect(decided({ durationSeconds: 1_801 }, oncall).outcome).toBe('review')
    expect(decided({ durationSeconds: 1_800 }).outcome).toBe('review')
  })

  it('is deny, not review and not access, when no policy matches', () => {
    expect(decided({}, person('bob@example.com'))).toMatchObject({
      outcome: 'deny',
      refusedAs: 'not_eligible',
      policy: undefined,
      scopes: [],
      reasons: [{ code: 'no_policy' }],
    })
    expect(decided({}, person('eve@example.com', ['engineering']))).toMatchObject({
      refusedAs: 'not_eligible',
    })
  })

  it('is deny for a role that is not in the catalog', () => {
    expect(decided({ role: 'root' })).toMatchObject({
      outcome: 'deny',
      refusedAs: 'not_eligible',
      reasons: [{ code: 'unknown_role' }],
    })
    expect(decided({ role: '__proto__' }).outcome).toBe('deny')
  })

  it('narrows to the scopes asked for, in the role’s order and once each', () => {
    const scopes = ['invoices:write', 'invoices:read', 'invoices:write']
    expect(decided({ scopes }).scopes).toEqual(['invoices:read', 'invoices:write'])
    expect(decided({ scopes: ['invoices:write'] }).scopes).toEqual(['invoices:write'])
  })
})

describe('the limits of the policy that matches', () => {
  it.each<[string, Partial<Ask>, string]>([
    ['a duration one second over', { durationSeconds: 14_401 }, 'duration_too_long'],
    [
      'a justification one character short',
      { justification: 'x'.repeat(9) },
      'justification_too_short',
    ],
    ['a justification of spaces', { justification: ' '.repeat(40) }, 'justification_too_short'],
    [
      'a justification padded with spaces',
      { justification: `   ${'x'.repeat(9)}   ` },
      'justification_too_short',
    ],
    ['no ticket', { ticket: undefined }, 'ticket_missing'],
    ['an empty ticket', { ticket: '' }, 'ticket_missing'],
    ['another ticket', { ticket: 'CHG-1' }, 'ticket_mismatch'],
    ['a ticket with a second line', { ticket: 'INC-1\nCHG-1' }, 'ticket_mismatch'],
    ['no scopes', { scopes: [] }, 'scopes_empty'],
    [
      'a scope of another role',
      { scopes: ['invoices:read', 'payouts:write'] },
      'scope_not_in_role',
    ],
  ])('refuse %s as outside_policy', (_, changes, code) => {
    expect(decided(changes)).toMatchObject({
      outcome: 'deny',
      refusedAs: 'outside_policy',
      policy: { name: 'billing-operate' },
      scopes: [],
      reasons: [{ code }],
    })
  })

  it('are all named at once', () => {
    const changes = { durationSeconds: 90_000, justification: 'x', ticket: 'no', scopes: ['y'] }
    expect(codes(changes)).toEqual([
      'scope_not_in_role',
      'duration_too_long',
      'justification_too_short',
      'ticket_mismatch',
    ])
  })

  it('are kept by what is exactly as long as allowed', () => {
    const changes = { durationSeconds: 14_400, justification: 'é'.repeat(10) }
    expect(decided(changes).outcome).toBe('review')
  })

  it('count characters, not code units', () => {
    expect(codes({ justification: '💳'.repeat(9) })).toEqual(['justification_too_short'])
  })

  it('say the whole time when an extension goes over', () => {
    const [reason] = decided({ durationSeconds: 18_000, isExtension: true }).reasons
    expect(reason?.message).toMatch(/at most 4h in all.*5h/)
  })

  it('never make the policy be skipped for a wider one after it', () => {
    const twice = mustParse(
      withPart(
        '    approval: [{ from: [leads], count: 1 }]\n',
        `    approval: [{ from: [leads], count: 1 }]
  - name: wider
    roles: [reader]
    requesters: [engineering]
    max_duration: 30d
    approval: none
`,
      ),
    )
    const decision = decide(twice, alice, ask({ role: 'reader', durationSeconds: 30_000 }), now)
    expect(decision).toMatchObject({ refusedAs: 'outside_policy', policy: { name: 'read' } })
  })
})

describe('the condition of a policy', () => {
  it('passes the ask on to the next policy when it is false', () => {
    const bot = workload('invoice-bot')
    expect(decided({ durationSeconds: 3_600 }, bot).outcome).toBe('review')
    expect(decided({ durationSeconds: 3_601 }, bot)).toMatchObject({
      refusedAs: 'not_eligible',
      trail: [
        { policy: 'billing-read', outcome: 'skipped' },
        {
          policy: 'billing-operate',
          outcome: 'skipped',
          message: '`when` is false for this request',
        },
        { policy: 'billing-emergency', outcome: 'skipped' },
        { policy: 'wiki', outcome: 'skipped' },
      ],
    })
  })

  const failing = mustParse(
    withPart(
      '    approval: [{ from: [leads], count: 1 }]\n',
      `    approval: [{ from: [leads], count: 1 }]
    when: 'subject.groups[7] == "x"'
  - name: after
    roles: [reader]
    requesters: [engineering]
    max_duration: 1h
    approval: none
`,
    ),
  )

  it('denies the whole decision when it cannot be evaluated, whatever comes after', () => {
    expect(decide(failing, alice, ask({ role: 'reader' }), now)).toMatchObject({
      outcome: 'deny',
      refusedAs: 'not_eligible',
      policy: undefined,
      reasons: [{ code: 'condition_failed' }],
      trail: [{ policy: 'read', outcome: 'failed' }],
    })
  })

  it('is not even evaluated for those who are not among the requesters', () => {
    const decision = decide(failing, person('bob@example.com'), ask({ role: 'reader' }), now)
    expect(decision.reasons.map(({ code }) => code)).toEqual(['no_policy'])
  })

  it('means review when auto_approve cannot be evaluated', () => {
    const careful = mustParse(
      withPart('count: 1 }]\n', `count: 1 }]\n    auto_approve: 'subject.groups[7] == "x"'\n`),
    )
    expect(decide(careful, alice, ask({ role: 'reader' }), now)).toMatchObject({
      outcome: 'review',
      reasons: [{ code: 'auto_approve_failed' }],
    })
  })

  it('sees the start that was asked for, and now when none was', () => {
    const daytime = mustParse(
      withPart('count: 1 }]\n', "count: 1 }]\n    when: 'request.starts_at.getHours() == 9'\n"),
    )
    const at = (startsAt: Date | undefined) =>
      decide(daytime, alice, ask({ role: 'reader', startsAt }), now).outcome
    expect(at(undefined)).toBe('review')
    expect(at(new Date('2026-03-02T12:00:00Z'))).toBe('deny')
  })
})

describe('break-glass', () => {
  const oncall = person('dana@example.com', ['okta-oncall'])

  it('opens at once under its own policy, whose seats review afterwards', () => {
    expect(decided({ isBreakGlass: true, durationSeconds: 1_800 }, oncall)).toMatchObject({
      outcome: 'allow',
      policy: { name: 'billing-emergency', approval: [{ count: 1 }] },
      reasons: [{ code: 'break_glass' }],
    })
  })

  it('keeps the limits of its policy', () => {
    const changes = { isBreakGlass: true, durationSeconds: 1_801 }
    expect(decided(changes, oncall)).toMatchObject({ refusedAs: 'outside_policy' })
  })

  it('considers no ordinary policy, even one that needs no approval', () => {
    expect(decided({ isBreakGlass: true, role: 'billing-reader' })).toMatchObject({
      outcome: 'deny',
      refusedAs: 'not_eligible',
    })
  })

  it('is never used for an ordinary ask', () => {
    const stranger = person('eve@example.com', ['okta-oncall'])
    expect(decided({ durationSeconds: 600 }, stranger)).toMatchObject({
      refusedAs: 'not_eligible',
    })
  })
})

describe('a quorum', () => {
  it.each(['count: 0', 'count: -1', 'count: null', 'count: ""'])(
    'that says %s does not load, so it can approve nothing',
    (count) => {
      expect(() => mustParse(withPart('count: 1', count))).toThrow(/approval\/0\/count/)
    },
  )

  it('left out is one, never none', () => {
    const omitted = mustParse(withPart(', count: 1', ''))
    expect(omitted.policies[0]?.approval).toMatchObject([{ count: 1 }])
    expect(decide(omitted, alice, ask({ role: 'reader' }), now).outcome).toBe('review')
  })
})

describe('eligibility at a mint', () => {
  it('lasts while some policy names the role and reaches the subject, whatever its limits', () => {
    expect(isStillEligible(catalog, alice, 'billing-operator')).toBe(true)
    expect(isStillEligible(catalog, workload('invoice-bot'), 'billing-operator')).toBe(true)
  })

  it('ends with the membership, the role or the policy', () => {
    expect(isStillEligible(catalog, person('bob@example.com'), 'billing-operator')).toBe(false)
    expect(isStillEligible(catalog, alice, 'gone')).toBe(false)
    expect(isStillEligible({ ...catalog, policies: [] }, alice, 'billing-operator')).toBe(false)
  })

  it('ends when a claim is no longer fresh', () => {
    const reader = mustParse(withPart('requesters: [engineering]', "requesters: ['claim:okta']"))
    expect(isStillEligible(reader, person('eve@example.com', ['okta']), 'reader')).toBe(true)
    expect(isStillEligible(reader, person('eve@example.com', []), 'reader')).toBe(false)
  })
})
