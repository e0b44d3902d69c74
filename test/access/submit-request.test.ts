import { describe, expect, it } from 'vitest'
import { previewRequest, submitRequest, writeRevocation } from '../../src/access/index.ts'
import type { OperationContext } from '../../src/context.ts'
import { operatorAsk, useRequestFixture } from './request-fixture.ts'

const use = useRequestFixture()

describe('an ask that policy leaves to reviewers', () => {
  it('waits, with the seats and whoever can fill them, and no grant', async () => {
    const fixture = use()
    const now = fixture.test.clock.now()
    const request = await fixture.ask('dana')
    expect(request).toMatchObject({
      state: 'pending',
      subject: 'dana@example.com',
      resource: 'billing-api',
      scopes: ['invoices:read', 'invoices:write'],
      requestedScopes: ['invoices:read', 'invoices:write'],
      durationSeconds: 3600,
      policy: 'operate',
      approval: [{ from: ['payments-leads'], count: 1, approvedBy: [] }],
      eligibleReviewers: ['alice.admin@example.com', 'bob@example.com', 'carol@example.com'],
      grantId: null,
      version: 1,
      createdAt: now,
      answerBy: new Date(now.getTime() + 7_200_000),
      startsAt: null,
    })
    expect(await fixture.grantsOf(request.id)).toEqual([])
  })

  it('is told and audited in its own transaction, without what was written', async () => {
    const fixture = use()
    const request = await fixture.ask('dana')
    const events = await fixture.eventsOf(request.id)
    expect(events).toMatchObject([
      {
        type: 'request.submitted',
        data: {
          request_id: request.id,
          subject: 'dana@example.com',
          eligible_reviewers: request.eligibleReviewers,
          actor: { kind: 'person', id: 'dana@example.com', via: 'api' },
        },
      },
    ])
    const [entry] = await fixture.lastAudit(1)
    expect(entry).toMatchObject({ action: 'submit-request', outcome: 'ok', request_id: request.id })
    for (const text of [JSON.stringify(events), JSON.stringify(entry)]) {
      expect(text).not.toContain('duplicate invoice')
    }
  })

  it('takes fewer scopes, in the order of the role, each once', async () => {
    const request = await use().ask('dana', {
      scopes: ['invoices:write', 'invoices:read', 'invoices:write'],
    })
    expect(request.scopes).toEqual(['invoices:read', 'invoices:write'])
    await use().settle()
    const fewer = await use().ask('dana', { scopes: ['invoices:write'] })
    expect(fewer.requestedScopes).toEqual(['invoices:write'])
  })

  it('never names as reviewer the requester, or another account of the same human', async () => {
    const request = await use().ask('alice', { role: 'payer' })
    expect(request.eligibleReviewers).toEqual([
      'bob.admin@example.com',
      'bob@example.com',
      'carol@example.com',
      'sam@example.com',
    ])
    const own = await use().ask('bob')
    expect(own.eligibleReviewers).toEqual(['alice.admin@example.com', 'carol@example.com'])
  })

  it('of a workload never names the people who own it', async () => {
    const { request } = await submitRequest(use().test.asWorkload('invoice-bot'), operatorAsk)
    expect(request.eligibleReviewers).toEqual(['alice.admin@example.com', 'bob@example.com'])
  })

  it('names no disabled person, and who holds the claim only while the sign-in is fresh', async () => {
    const fixture = use()
    await fixture.setDisabled('bob', true)
    await fixture.signedIn('sam', ['okta-auditors'], 23)
    await fixture.signedIn('carol', ['okta-auditors'], 25)
    await fixture.signedIn('dana', ['auditors'], 0)
    const audited = await fixture.ask('alice', { role: 'audited' })
    expect(audited.eligibleReviewers).toEqual(['sam@example.com'])
    const request = await fixture.ask('alice')
    expect(request.eligibleReviewers).toEqual(['carol@example.com'])
  })
})

describe('an ask that policy allows', () => {
  it('opens its grant in the same transaction, its clock starting now', async () => {
    const fixture = use()
    const now = fixture.test.clock.now()
    const request = await fixture.ask('alice', { role: 'reader', durationSeconds: 60 })
    expect(request).toMatchObject({ state: 'approved', approval: [], eligibleReviewers: [] })
    const [grant, ...others] = await fixture.grantsOf(request.id)
    expect(others).toEqual([])
    expect(grant).toMatchObject({
      id: request.grantId,
      subject: 'alice@example.com',
      audience: 'https://billing.example.com',
      state: 'active',
      scopes: ['invoices:read'],
      startsAt: now,
      endsAt: new Date(now.getTime() + 60_000),
    })
    expect(await fixture.eventTypesOf(request.id)).toEqual([
      'request.submitted',
      'request.approved',
      'grant.opened',
    ])
    const [entry] = await fixture.lastAudit(1)
    expect(entry).toMatchObject({ action: 'submit-request', grant_id: request.grantId })
  })

  it('opens a grant for each ask: holding one does not stop another', async () => {
    const first = await use().ask('alice', { role: 'reader' })
    const second = await use().ask('alice', { role: 'reader' })
    expect(second.id).not.toBe(first.id)
    expect(second.grantId).not.toBe(first.grantId)
  })

  it('automatically, only within the bounds of the condition', async () => {
    const short = await use().ask('dana', { durationSeconds: 1800 })
    expect(short).toMatchObject({ state: 'approved', approval: [] })
    const long = await use().ask('dana', { durationSeconds: 1801 })
    expect(long.state).toBe('pending')
    await use().settle()
    const other = await use().ask('alice', { durationSeconds: 1800 })
    expect(other.state).toBe('pending')
  })

  it('starts at starts_at when that is later', async () => {
    const fixture = use()
    const startsAt = new Date(fixture.test.clock.now().getTime() + 3_600_000)
    const request = await fixture.ask('alice', { role: 'reader', startsAt, durationSeconds: 60 })
    expect(await fixture.grantsOf(request.id)).toMatchObject([
      { state: 'scheduled', startsAt, endsAt: new Date(startsAt.getTime() + 60_000) },
    ])
  })

  it('opens a grant while an earlier revocation of the whole subject lives: that hinders minting alone', async () => {
    const fixture = use()
    await fixture.ask('alice', { role: 'reader' })
    const { services, clock } = fixture.test
    await services.database.transaction(async (tx) => {
      const forgetAt = new Date(clock.now().getTime() + 90_000)
      await writeRevocation(
        tx,
        services,
        { kind: 'subject', target: 'alice@example.com', resource: null, forgetAt },
        clock.now(),
      )
    })
    const request = await fixture.ask('alice', { role: 'reader' })
    expect(await fixture.grantsOf(request.id)).toMatchObject([{ state: 'active' }])
  })
})

describe('an ask that policy denies', () => {
  it.each([
    ['no policy reaches', 'erin', {}, 'not_eligible', ['no_policy']],
    ['an unknown role', 'alice', { role: 'emperor' }, 'not_eligible', ['unknown_role']],
    ['too long', 'alice', { durationSeconds: 14_401 }, 'outside_policy', ['duration_too_long']],
    ['a bad ticket', 'alice', { ticket: 'X-1' }, 'outside_policy', ['ticket_mismatch']],
    ['no ticket', 'alice', { ticket: '' }, 'outside_policy', ['ticket_missing']],
    [
      'a scope of another role',
      'alice',
      { scopes: ['payouts:write'] },
      'outside_policy',
      ['scope_not_in_role'],
    ],
    [
      'a thin reason',
      'alice',
      { justification: '  short  ' },
      'outside_policy',
      ['justification_too_short'],
    ],
  ] as const)('%s: stored nowhere, audited', async (_, name, changes, code, reasons) => {
    const fixture = use()
    const count = await fixture.countRequests()
    await expect(fixture.ask(name, changes)).rejects.toMatchObject({ code })
    expect(await fixture.countRequests()).toBe(count)
    const [entry] = await fixture.lastAudit(1)
    expect(entry).toMatchObject({
      action: 'submit-request',
      outcome: 'refused',
      code,
      subject: `${name}@example.com`,
      details: { reasons },
    })
  })

  it('names all limits it breaks at once', async () => {
    const broken = use().ask('alice', { durationSeconds: 14_401, ticket: 'X', justification: 'x' })
    await expect(broken).rejects.toMatchObject({
      code: 'outside_policy',
      options: {
        reasons: [
          { code: 'duration_too_long' },
          { code: 'justification_too_short' },
          { code: 'ticket_mismatch' },
        ],
      },
    })
  })

  it('for a disabled subject, by whatever door', async () => {
    await use().setDisabled('alice', true)
    await expect(use().ask('alice')).rejects.toMatchObject({ code: 'not_permitted' })
  })

  it.each(['asJob', 'asOperator'] as const)('%s is no subject', async (actor) => {
    const count = await use().countRequests()
    await expect(submitRequest(use().test[actor]('x'), operatorAsk)).rejects.toMatchObject({
      code: 'not_permitted',
    })
    expect(await use().countRequests()).toBe(count)
  })
})

describe('an ask that is not well-formed', () => {
  const now = new Date('2026-03-02T09:00:00.000Z')
  it.each([
    ['no time', { durationSeconds: 0 }, '/duration_seconds'],
    ['negative time', { durationSeconds: -60 }, '/duration_seconds'],
    ['half a second', { durationSeconds: 0.5 }, '/duration_seconds'],
    ['endless time', { durationSeconds: Number.POSITIVE_INFINITY }, '/duration_seconds'],
    ['a thousand years', { durationSeconds: 31_536_000_000 }, '/duration_seconds'],
    ['the past', { startsAt: new Date(now.getTime() - 1) }, '/starts_at'],
    [
      'over 30 days ahead',
      { startsAt: new Date(now.getTime() + 30 * 86_400_000 + 1) },
      '/starts_at',
    ],
    ['no instant', { startsAt: new Date(Number.NaN) }, '/starts_at'],
    ['501 characters', { justification: 'x'.repeat(501) }, '/justification'],
    ['a bell', { justification: 'void an invoice\u0007' }, '/justification'],
    ['a zero byte', { justification: 'void an \u0000invoice' }, '/justification'],
    ['text turned around', { justification: 'void \u202Eeciovni' }, '/justification'],
    ['half a character', { justification: 'void an invoice \uD800' }, '/justification'],
    ['a ticket in two lines', { ticket: 'INC-1\nINC-2' }, '/ticket'],
    ['a ticket of 101', { ticket: 'I'.repeat(101) }, '/ticket'],
    ['no scope', { scopes: [] }, '/scopes'],
    ['a scope with an escape', { scopes: ['invoices:\u001b[2J'] }, '/scopes/0'],
    ['a role with a line feed', { role: 'reader\n' }, '/role'],
  ])('%s names %s', async (_, changes, pointer) => {
    const fixture = use()
    const count = await fixture.countRequests()
    await expect(fixture.ask('alice', changes)).rejects.toMatchObject({
      code: 'invalid_input',
      options: { errors: [{ pointer }] },
    })
    expect(await fixture.countRequests()).toBe(count)
  })

  it('names every fault at once', async () => {
    const faulty = use().ask('alice', { durationSeconds: 0, ticket: '\n', scopes: [] })
    await expect(faulty).rejects.toMatchObject({
      options: {
        errors: [{ pointer: '/scopes' }, { pointer: '/duration_seconds' }, { pointer: '/ticket' }],
      },
    })
  })

  it('may have a reason in several lines, 500 characters beyond the basic plane, and the last instant', async () => {
    const fixture = use()
    const startsAt = new Date(fixture.test.clock.now().getTime() + 30 * 86_400_000)
    const long = await fixture.ask('alice', { justification: '𝓲'.repeat(500), startsAt })
    expect(long.justification).toBe('𝓲'.repeat(500))
    const lines = await fixture.ask('dana', { justification: ' first line\r\nsecond line\n' })
    expect(lines.justification).toBe('first line\nsecond line')
  })
})

describe('a second ask while one is pending', () => {
  it('is the first when it is the same, whatever its reason says', async () => {
    const fixture = use()
    const startsAt = new Date(fixture.test.clock.now().getTime() + 600_000)
    const first = await fixture.ask('alice', {
      scopes: ['invoices:write', 'invoices:read'],
      startsAt,
    })
    const again = await submitRequest(fixture.person('alice'), {
      ...operatorAsk,
      startsAt,
      justification: 'the same in other words',
    })
    expect(again.isNew).toBe(false)
    expect(again.request).toEqual(first)
    expect(await fixture.eventTypesOf(first.id)).toEqual(['request.submitted'])
  })

  it.each([
    ['another time', { durationSeconds: 3599 }],
    ['fewer scopes', { scopes: ['invoices:read'] }],
    ['another start', { startsAt: new Date('2026-03-02T10:00:00Z') }],
  ])('with %s is refused with the id of the first', async (_, changes) => {
    const first = await use().ask('alice')
    await expect(use().ask('alice', changes)).rejects.toMatchObject({
      code: 'already_pending',
      options: { extensions: { requestId: first.id } },
    })
  })

  it('for another role, or by another subject, is its own', async () => {
    const first = await use().ask('alice')
    const other = await use().ask('alice', { role: 'payer' })
    const others = await use().ask('dana')
    expect(new Set([first.id, other.id, others.id]).size).toBe(3)
  })

  it('is new once the first is overdue, which lapses on the way though no job ran', async () => {
    const fixture = use()
    const first = await fixture.ask('alice')
    fixture.test.clock.advance(7200)
    const second = await fixture.ask('alice')
    expect(second.id).not.toBe(first.id)
    expect(await fixture.stored(first.id)).toMatchObject({
      state: 'expired',
      decidedAt: first.answerBy,
      version: 2,
    })
    expect(await fixture.eventTypesOf(first.id)).toEqual(['request.submitted', 'request.expired'])
  })

  it('at the same moment makes one request, and both get it', async () => {
    const fixture = use()
    for (let round = 0; round < 20; round += 1) {
      const asks = await Promise.all(
        [1, 2, 3, 4].map(() => submitRequest(fixture.person('alice'), operatorAsk)),
      )
      expect(asks.filter(({ isNew }) => isNew)).toHaveLength(1)
      expect(new Set(asks.map(({ request }) => request.id)).size).toBe(1)
      await fixture.settle()
    }
  })
})

describe('a seat that nobody could fill', () => {
  it('refuses the ask, stores nothing, tells the admins', async () => {
    const fixture = use()
    const count = await fixture.countRequests()
    await expect(fixture.ask('alice', { role: 'audited' })).rejects.toMatchObject({
      code: 'no_reviewer',
    })
    expect(await fixture.countRequests()).toBe(count)
    const [entry] = await fixture.lastAudit(1)
    expect(entry).toMatchObject({ outcome: 'refused', code: 'no_reviewer' })
    const rows = await fixture.eventsOfType('finding.opened')
    expect(rows).toMatchObject([
      {
        data: {
          kind: 'no_reviewer',
          policy: 'audit',
          role: 'audited',
          subject: 'alice@example.com',
          seats: [{ from: ['auditors'], count: 1 }],
        },
      },
    ])
  })

  it('counts two accounts of one human once: two seats need two humans', async () => {
    const fixture = use()
    // left: Bob as a lead and Bob's other account as security
    await fixture.setDisabled('carol', true)
    await fixture.setDisabled('sam', true)
    await expect(fixture.ask('alice', { role: 'payer' })).rejects.toMatchObject({
      code: 'no_reviewer',
    })
    await expect(fixture.ask('alice', { role: 'pair' })).rejects.toMatchObject({
      code: 'no_reviewer',
    })
    expect(await fixture.ask('alice')).toMatchObject({ state: 'pending' })
  })

  it('looks at who is barred and who is disabled', async () => {
    const fixture = use()
    await fixture.setDisabled('carol', true)
    await fixture.setDisabled('alice.admin', true)
    await expect(fixture.ask('bob')).rejects.toMatchObject({ code: 'no_reviewer' })
    expect(await fixture.ask('dana')).toMatchObject({ eligibleReviewers: ['bob@example.com'] })
  })
})

describe('the clock', () => {
  it('of a replica that is off decides nothing', async () => {
    const ctx: OperationContext = {
      ...use().person('alice'),
      clockMonitor: { isTrusted: () => false, skewSeconds: () => 7200 },
    }
    await expect(submitRequest(ctx, operatorAsk)).rejects.toMatchObject({ code: 'cannot_decide' })
  })
})

describe('preview', () => {
  it('says what the ask would meet, and stores nothing', async () => {
    const fixture = use()
    const count = await fixture.countRequests()
    const preview = await previewRequest(fixture.person('alice'), { ...operatorAsk, role: 'payer' })
    expect(preview).toEqual({
      decision: 'review',
      policy: 'pay',
      reasons: [{ code: 'review_needed', message: expect.any(String) }],
      approval: [
        { from: ['payments-leads'], count: 1 },
        { from: ['security'], count: 1 },
      ],
      eligibleReviewers: [
        'bob.admin@example.com',
        'bob@example.com',
        'carol@example.com',
        'sam@example.com',
      ],
      maxDurationSeconds: 14_400,
    })
    expect(await fixture.countRequests()).toBe(count)
    const asked = await fixture.ask('alice', { role: 'payer' })
    expect(asked.eligibleReviewers).toEqual(preview.eligibleReviewers)
  })

  it.each([
    ['a role nobody has', { role: 'emperor' }, 'unknown_role', null],
    ['too much time', { durationSeconds: 14_401 }, 'duration_too_long', 14_400],
    ['the past', { startsAt: new Date(0) }, 'invalid_input', 14_400],
    ['a seat nobody fills', { role: 'audited' }, 'no_reviewer', 14_400],
  ] as const)('answers for %s', async (_, changes, code, maxDurationSeconds) => {
    const preview = await previewRequest(use().person('alice'), { ...operatorAsk, ...changes })
    expect(preview).toMatchObject({
      decision: 'deny',
      reasons: [{ code }],
      approval: [],
      eligibleReviewers: [],
      maxDurationSeconds,
    })
  })

  it('says allow, and for an emergency who reviews it afterwards', async () => {
    const reader = await previewRequest(use().person('alice'), { ...operatorAsk, role: 'reader' })
    expect(reader).toMatchObject({ decision: 'allow', approval: [], eligibleReviewers: [] })
    const emergency = { ...operatorAsk, durationSeconds: 600, isBreakGlass: true }
    expect(await previewRequest(use().person('alice'), emergency)).toMatchObject({
      decision: 'allow',
      policy: 'emergency',
      approval: [{ from: ['security'], count: 1 }],
      eligibleReviewers: ['bob.admin@example.com', 'sam@example.com'],
    })
  })
})
